// Who means no good to a simulated world: floods of flows that nobody answers, and frames that are repeated,
// mutilated and cut. One thread.
#pragma once

#include "sim/world/world.h"

namespace sluice::sim {

class Strangers {
 public:
  Strangers(World& world, Chance chance, Nanoseconds until);
  /// Whether a packet, as a backend gets it, is of a flood.
  static bool is_stranger(const Packet& packet);

 private:
  void flood_later();
  void flood();
  void forge_later();
  void forge();

  World& world_;
  Chance chance_;
  Nanoseconds until_;
};

}  // namespace sluice::sim
