// A switch port that snoops: frames to IPv6 multicast groups reach a gateway only where its MLD reports have
// asked for them (RFC 4541), and what hosts on a link ask: for addresses by ARP and NDP, for groups by MLD,
// for echoes. One thread.
#pragma once

#include <optional>
#include <set>

#include "common/address.h"
#include "sim/core/frame.h"

namespace sluice::sim {

class SnoopingSwitch {
 public:
  /// What the gateway sends: its reports are learnt.
  void learn(FrameBytes sent);
  /// Whether a frame gets through to the gateway.
  bool passes(FrameBytes frame) const;
  void forget() { groups_.clear(); }

 private:
  std::set<IpAddress> groups_;
};

/// A querier's question who listens to what (MLD).
Frame ask_for_groups(const MacAddress& querier);
/// Who has `target`? Asked by `sender`, on its link; an ARP request or a neighbor solicitation.
Frame ask_for(const IpAddress& target, const IpAddress& sender, const MacAddress& sender_mac);
/// An ICMPv6 echo request from `sender`.
Frame ping(const IpAddress& target, const MacAddress& target_mac, const IpAddress& sender,
           const MacAddress& sender_mac);
/// The address whose MAC address a frame tells: an ARP reply, or an advertisement.
std::optional<IpAddress> answered_address(FrameBytes frame);

}  // namespace sluice::sim
