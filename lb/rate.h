// A rate as a bucket of tokens, kept as the time at which it is full again (the virtual scheduling form of
// the generic cell rate algorithm: ITU-T I.371, annex A). Plain arithmetic; any thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice::lb {

/// In every window of t seconds at most rate * t + burst tokens, exactly: a token's time is rounded up.
struct Rate {
  /// Time is counted in parts of a nanosecond, so that rounding takes no more than a part in 64 of a rate of
  /// one token a nanosecond, and 2^64 of them are nine years.
  static constexpr uint64_t kUnitsPerNs = 64;
  /// A bucket takes at most so long to fill: then no sum here overflows.
  static constexpr double kLongestFillSeconds = 3e7;

  uint64_t token = 0;     ///< in units of time: what one costs
  uint64_t capacity = 0;  ///< what `burst` of them cost

  /// `per_second` above 0, at most 10^9; `burst` at least 1, and at most kLongestFillSeconds of the rate.
  static Rate of(double per_second, uint64_t burst) {
    const auto token = static_cast<uint64_t>(std::ceil(1e9 * kUnitsPerNs / per_second));
    return {token, token * burst};
  }
  static uint64_t units(uint64_t ns) { return ns * kUnitsPerNs; }

  /// How many tokens there are at `now` in a bucket that is full again at `full_at`.
  uint64_t available(uint64_t full_at, uint64_t now) const {
    const uint64_t owed = full_at > now ? full_at - now : 0;
    return owed >= capacity ? 0 : (capacity - owed) / token;
  }
  /// Whether there are at least `tokens`, eight at most so that nothing overflows. Unlike available(), it
  /// needs no division.
  bool has(uint64_t full_at, uint64_t now, uint64_t tokens) const {
    const uint64_t owed = full_at > now ? full_at - now : 0;
    return owed <= capacity && capacity - owed >= tokens * token;
  }
  /// The bucket once `tokens` of those that are available() have been taken.
  uint64_t after_taking(uint64_t full_at, uint64_t now, uint64_t tokens) const {
    return std::max(full_at, now) + tokens * token;
  }
};

}  // namespace sluice::lb
