// A rate limit of one worker: so many takes a second, and a burst on top. Not shared between threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice::dataplane {

/// So many a second, and so many at once after a pause.
struct RateLimit {
  uint32_t rate = 0;
  uint32_t burst = 0;
  bool operator==(const RateLimit&) const = default;
};

class TokenBucket {
 public:
  constexpr explicit TokenBucket(RateLimit limit) : TokenBucket(limit.rate, limit.burst) {}
  /// `burst`: how many takes may come at once after a pause; the bucket starts full.
  constexpr TokenBucket(uint32_t per_second, uint32_t burst)
      : per_second_(per_second), capacity_(uint64_t{burst} * kScale), tokens_(capacity_) {}

  /// Whether one more is allowed now. `now_ms` is monotonic and may wrap.
  bool take(uint32_t now_ms) {
    const uint32_t elapsed_ms = now_ms - filled_ms_;
    filled_ms_ = now_ms;
    tokens_ = std::min(capacity_, tokens_ + uint64_t{elapsed_ms} * per_second_);
    if (tokens_ < kScale) return false;
    tokens_ -= kScale;
    return true;
  }

 private:
  static constexpr uint64_t kScale = 1000;  // tokens are counted in thousandths: one per second is one per ms
  uint64_t per_second_;
  uint64_t capacity_;
  uint64_t tokens_;
  uint32_t filled_ms_ = 0;
};

}  // namespace sluice::dataplane
