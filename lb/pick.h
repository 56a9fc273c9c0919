// The policies: which backend does a new flow get? One worker at a time, on state that the caller owns.
#pragma once

#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "lb/pool_table.h"
#include "lb/service.h"
#include "lb/view.h"

namespace sluice::lb {

struct Pick {
  BackendId backend = kNoBackend;  ///< kNoBackend: the pool has none that takes new flows
  uint32_t slot = UINT32_MAX;      ///< of the Maglev table, for the policies that hash
};

/// The stateless policies, maglev and source-hash: the same answer on every gateway of a group
/// (interface.md, section 5). The pool must not be empty().
Pick pick_by_hash(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key);

/// What the other policies go by.
struct Draw {
  std::span<const Backend> backends;     ///< for their weights
  std::span<const TargetCounters> load;  ///< this worker's, by BackendId
  uint32_t& cursor;                      ///< of the pool: where the next walk begins
  uint64_t& random;                      ///< state of a generator, any value
};

/// Picks by any policy. Least-connections looks at every candidate, the others at one or two.
Pick pick(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key, const Draw& draw);

}  // namespace sluice::lb
