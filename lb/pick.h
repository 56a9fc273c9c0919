// Which backend does a new flow get? One worker at a time, on state that the caller owns.
#pragma once

#include <array>
#include <cstdint>
#include <span>

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

/// By Policy::kMaglev, for four flows of any pools that are not empty().
std::array<Pick, 4> pick_four(std::span<const PoolTable* const, 4> pools,
                              std::span<const FlowKey* const, 4> keys, const SipKey& hash_key);

/// By any policy. `foreseen`: what pick_by_hash() has said already, or kNoBackend.
Pick pick(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key, const Draw& draw,
          const Pick& foreseen = {});

}  // namespace sluice::lb
