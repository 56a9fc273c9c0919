// Packets that a flow may send of its source's rate, which were taken from the source's bucket in advance
// (docs/decisions/0052). Plain values of the worker that owns the flow; SourceRate alone changes them.
#pragma once

#include <cstdint>

namespace sluice::lb {

/// All zeros is a flow that has none.
struct PacketLease {
  static constexpr unsigned kMostAhead = 30;  ///< beside the one that is spent at once
  /// How many packets a flow sends for each that it may take in advance, and then may not need: so that what
  /// is lost is less than a sixtieth of what is used.
  static constexpr unsigned kUsedForEach = 64;
  static constexpr unsigned kMostUsed = kMostAhead * kUsedForEach;
  /// FlowEntry::leased_tick counts parts of 65 microseconds, and wraps after 78 hours: longer than a flow
  /// lives idle.
  static constexpr unsigned kTickBits = 16;

  uint16_t left : 5;   ///< not spent yet
  uint16_t used : 11;  ///< at most kMostUsed; less kUsedForEach for each that was lost

  static uint32_t tick(uint64_t now_ns) { return static_cast<uint32_t>(now_ns >> kTickBits); }
};
static_assert(sizeof(PacketLease) == 2);

}  // namespace sluice::lb
