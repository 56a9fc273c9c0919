// What a policy is: which backend does a new flow get? One worker at a time, on state that the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/flow_key.h"
#include "common/siphash.h"
#include "lb/backend.h"
#include "lb/pool_table.h"
#include "lb/service.h"
#include "lb/shared_flow_counts.h"
#include "lb/view.h"

namespace sluice::lb {

struct AnswerTime;

/// What a choice goes by, beside the pool.
struct Draw {
  std::span<const Backend> backends;     ///< for their weights
  std::span<const TargetCounters> load;  ///< this worker's, by BackendId
  uint32_t& cursor;                      ///< of the pool: where the next walk begins
  uint64_t& random;                      ///< state of a generator, any value
  /// On all workers together, by BackendId; empty: no backend is ever full.
  std::span<const SharedCount> flows = {};
  /// This worker's, by BackendId, at `now_ns` (monotonic); null: nothing is known.
  const AnswerTime* answer_times = nullptr;
  uint64_t now_ns = 0;

  /// Whether a backend has as many flows as it may have.
  bool is_full(BackendId id) const {
    if (flows.empty()) return false;
    const uint32_t most = backends[id].most_flows;
    return most != 0 && flows[id].load(std::memory_order_relaxed) >= most;
  }
};

/// A policy either hashes a flow to a Maglev slot, which gives the same answer on every gateway of a group
/// (interface.md, section 5), or chooses; the other function is null.
struct PolicyRow {
  Policy policy;
  std::string_view name;  ///< in the configuration
  uint64_t (*hash)(const FlowKey& key, const SipKey& hash_key) = nullptr;
  /// From a pool that is not empty().
  BackendId (*choose)(const PoolTable& pool, const Draw& draw) = nullptr;
  bool uses_schedule = false;  ///< choose() needs PoolTable::schedule(), which then is not empty
};

/// The cursor's position in a list of `size`, and a step for the next caller.
inline uint32_t advance(uint32_t& cursor, size_t size) {
  const uint32_t position = cursor < size ? cursor : 0;  // the list may have shrunk since
  cursor = position + 1;
  return position;
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), reduced to 0..size-1 by multiplication.
inline uint32_t random_below(size_t size, uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return static_cast<uint32_t>((z >> 32) * size >> 32);
}

/// Flows per weight, compared without a division.
struct Load {
  uint64_t flows;
  uint64_t weight;
  bool operator<(const Load& other) const { return flows * other.weight < other.flows * weight; }

  /// More than any other's, of one that is full.
  static constexpr Load full() { return {1, 0}; }
  static Load of(const WeightedEndpoint& candidate, const Draw& draw) {
    if (draw.is_full(candidate.id)) return full();
    return {draw.load[candidate.id].active_flows.read(), candidate.weight};
  }
  static Load of(BackendId id, const Draw& draw) {
    if (draw.is_full(id)) return full();
    return {draw.load[id].active_flows.read(), draw.backends[id].weight};
  }
};

}  // namespace sluice::lb
