// Which backend does a new flow get? One worker at a time, on state that the caller owns.
#pragma once

#include <cstdint>

#include "lb/policies/policy.h"

namespace sluice::lb {

struct Pick {
  BackendId backend = kNoBackend;  ///< kNoBackend: the pool has none that takes new flows
  uint32_t slot = UINT32_MAX;      ///< of the Maglev table, for the policies that hash
  bool all_full = false;           ///< there are some, and each has as many flows as it may have
};

/// Whether a policy hashes: then the same flow has the same backend on every gateway of a group.
bool hashes(Policy policy);

/// By a policy that hashes. The pool must not be empty().
Pick pick_by_hash(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key);

/// By any policy.
Pick pick(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key, const Draw& draw);

}  // namespace sluice::lb
