// How many flows services and backends have on all workers together, where a limit needs to know. The only
// numbers of flows that several workers write: an admitted flow of such a service or backend adds one when it
// begins and takes it away when it ends (docs/decisions/0028).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace sluice::lb {

using SharedCount = std::atomic<uint32_t>;

/// Memory that outlives all workers, all of it zero at first. Empty spans: nothing is limited, and nobody
/// counts.
struct SharedFlowCounts {
  std::span<SharedCount> services;  ///< by ServiceId
  std::span<SharedCount> backends;  ///< by BackendId
};

/// Counts one more unless there are `most` already.
inline bool take_place(SharedCount& count, uint32_t most) {
  if (count.load(std::memory_order_relaxed) >= most) return false;  // a flood over the limit only reads
  if (count.fetch_add(1, std::memory_order_relaxed) < most) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace sluice::lb
