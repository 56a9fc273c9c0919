// Neighbors that no capture shows: who the gateway asks for by ARP or NDP gets an answer, with a MAC address
// made from the address asked for. One thread.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "sim/core/frame.h"

namespace sluice::sim {

class AssumedNeighbors {
 public:
  /// The answer to a question that the gateway has sent by that port; nothing where the frame is none. VLAN
  /// tags are the question's.
  std::optional<Frame> answer(unsigned port, FrameBytes sent);

  using Known = std::map<std::pair<unsigned, IpAddress>, MacAddress>;
  /// Who was asked for.
  const Known& known() const { return known_; }

 private:
  Known known_;
};

/// Locally administered, and the same for one address in every run.
MacAddress assumed_mac(const IpAddress& address);

}  // namespace sluice::sim
