// Ethernet frames as bytes, and what the simulator reads in them. It shares no code with the gateway's
// parser, so that neither believes what the other got wrong. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/address.h"
#include "common/flow_key.h"

namespace sluice::sim {

using Frame = std::vector<uint8_t>;
using FrameBytes = std::span<const uint8_t>;

/// Where things lie in a frame that holds an IP packet of TCP or UDP, or ARP, or NDP.
struct FrameView {
  MacAddress destination;
  MacAddress source;
  uint16_t type = 0;     ///< behind VLAN tags
  uint16_t network = 0;  ///< where its network header begins
  uint16_t transport =
      0;        ///< where its TCP, UDP or ICMPv6 header begins; 0: it has none, or only a part of one
  FlowKey key;  ///< ports are zero but for TCP and UDP
  bool is_ip = false;
};

/// Nothing: it is too short for an Ethernet header, or its IP header is no good.
std::optional<FrameView> view_frame(FrameBytes frame);

/// `192.0.2.1:80`, `[2001:db8::1]:80`.
std::string endpoint_text(const IpAddress& address, uint16_t port);

}  // namespace sluice::sim
