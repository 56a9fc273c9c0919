#include "lb/pick.h"

#include "lb/policies/all.h"

namespace sluice::lb {

bool hashes(Policy policy) {
  return row_of(policy).hash != nullptr;
}

Pick pick_by_hash(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key) {
  const auto slot = static_cast<uint32_t>(row_of(policy).hash(key, hash_key) % pool.slots().size());
  return {pool.slots()[slot], slot};
}

Pick pick(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key,
          const Draw& draw) {
  const PolicyRow& row = row_of(policy);
  if (pool.empty() || (row.uses_schedule && pool.schedule().empty())) return {};
  return row.hash != nullptr ? pick_by_hash(pool, policy, key, hash_key) : Pick{row.choose(pool, draw)};
}

}  // namespace sluice::lb
