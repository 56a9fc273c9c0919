// One of a world's gateways, with its wires' state and what is counted of it. One thread.
#pragma once

#include <array>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "sim/core/simulated_gateway.h"
#include "sim/world/scenario.h"
#include "sim/world/snooping_switch.h"

namespace sluice::sim {

/// A gateway's end of a wire.
struct WireEnd {
  bool is_up = true;
  size_t most_bytes = std::numeric_limits<size_t>::max();  ///< larger frames vanish
  SnoopingSwitch switch_port;
};

struct GatewayNode {
  explicit GatewayNode(unsigned number) : index(number) {}

  unsigned index;
  std::unique_ptr<SimulatedGateway> gateway = nullptr;  ///< null: it is dead
  unsigned life = 0;                                    ///< how often it was started
  Nanoseconds up_from = 0;                              ///< it takes no step before
  bool is_routed = false;                               ///< the router in front gives it flows
  std::vector<Nanoseconds> stalled_until = {};          ///< by worker
  std::array<WireEnd, 2> wires = {};                    ///< by port
  Nanoseconds sound_since = 0;                          ///< when its last fault was over
  uint64_t arrived = 0, left = 0;                       ///< frames, of this life

  bool is_up(Nanoseconds now) const { return gateway != nullptr && now >= up_from; }
  /// Whether its wires carry everything.
  bool is_sound() const {
    for (const WireEnd& wire : wires) {
      if (!wire.is_up || wire.most_bytes < std::numeric_limits<size_t>::max()) return false;
    }
    return gateway != nullptr;
  }
  std::string name() const { return "gateway " + std::to_string(index); }
};

}  // namespace sluice::sim
