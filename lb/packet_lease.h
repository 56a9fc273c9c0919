// Tokens for a flow's next packets, which the flow has taken from its source's bucket in advance
// (docs/decisions/0052). Plain values of the worker that owns the flow; SourceRate alone changes them.
#pragma once

#include <cstdint>

namespace sluice::lb {

/// All zeros: the flow has none.
struct PacketLease {
  static constexpr unsigned kMostAhead = 30;  ///< beside the one that is spent at once
  /// A flow may take one token in advance for each so many that it has used. A token that is not spent in
  /// time is lost: so less than a sixtieth of what a flow uses is.
  static constexpr unsigned kUsedForEach = 64;
  static constexpr unsigned kMostUsed = kMostAhead * kUsedForEach;
  /// FlowEntry::leased_tick counts parts of 65 microseconds, and wraps after 78 hours: longer than a flow
  /// lives idle.
  static constexpr unsigned kTickBits = 16;

  uint16_t left : 5;   ///< tokens that are not spent yet
  uint16_t used : 11;  ///< tokens spent, at most kMostUsed, less kUsedForEach for each that was lost

  static uint32_t tick(uint64_t now_ns) { return static_cast<uint32_t>(now_ns >> kTickBits); }
};
static_assert(sizeof(PacketLease) == 2);

}  // namespace sluice::lb
