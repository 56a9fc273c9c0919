// Tells a disk that hangs from one that is slow: work is under way, and nothing of it has ended for too long.
// One thread; plain values.
#pragma once

#include <cstdint>

namespace sluice::dataplane {

/// How long a sync, a write or a read of the log may take: ACK_TIMEOUT of RFC 7252, so that a client's first
/// retransmission is answered already.
inline constexpr uint64_t kMostDiskWaitNs = 2'000'000'000;

class StallWatch {
 public:
  /// Whether that is so. `ended` counts what has ended; `now_ns` is monotonic.
  bool is_stalled(bool is_under_way, uint64_t ended, uint64_t now_ns) {
    if (!is_under_way || !was_under_way_ || ended != ended_) since_ns_ = now_ns;
    was_under_way_ = is_under_way;
    ended_ = ended;
    return now_ns - since_ns_ >= kMostDiskWaitNs;
  }

 private:
  bool was_under_way_ = false;
  uint64_t ended_ = 0;
  uint64_t since_ns_ = 0;
};

}  // namespace sluice::dataplane
