// Who means no good to a simulated world: floods of flows that nobody answers, crowds of neighbors, frames
// that are repeated, mutilated and cut, and flags in the name of others. One thread.
#pragma once

#include "sim/world/world.h"

namespace sluice::sim {

class Strangers {
 public:
  Strangers(World& world, Chance chance, Nanoseconds until);
  /// Whether a packet, as a backend gets it, is of a flood.
  static bool is_stranger(const Packet& packet);
  /// Whether an address on the clients' link is one of a crowd's.
  static bool is_of_crowd(const IpAddress& address);

 private:
  void flood_later();
  void flood();
  void note_flood();
  void crowd_later();
  void crowd();
  static IpAddress crowd_address(uint32_t number);
  void forge_later();
  void forge();
  void forge_flags();

  World& world_;
  Chance chance_;
  Chance crowd_chance_;
  Nanoseconds until_;
};

}  // namespace sluice::sim
