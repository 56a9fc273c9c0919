#include "lb/pick.h"

#include <algorithm>

#include "lb/policies/all.h"

namespace sluice::lb {
namespace {

constexpr size_t kCloseSlots = 64;  ///< looked at before it is known whether any backend has room
constexpr unsigned kRedraws = 16;

Pick pick_slot(const PoolTable& pool, uint64_t hash) {
  const auto slot = static_cast<uint32_t>(hash % pool.slots().size());
  return {pool.slots()[slot], slot};
}

/// The first of the candidates, from the cursor on, that has room.
Pick any_with_room(const PoolTable& pool, const Draw& draw) {
  const auto candidates = pool.candidates();
  const size_t first = advance(draw.cursor, candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    const BackendId id = candidates[(first + i) % candidates.size()].id;
    if (!draw.is_full(id)) return {.backend = id};
  }
  return {.all_full = true};
}

/// The first slot behind a full backend's whose backend has room.
Pick next_slot(const PoolTable& pool, uint32_t full_slot, const Draw& draw) {
  const auto slots = pool.slots();
  const auto look_at = [&](size_t first, size_t end) -> Pick {
    for (size_t i = first; i < end; ++i) {
      const size_t slot = (full_slot + i) % slots.size();
      if (!draw.is_full(slots[slot])) return {slots[slot], static_cast<uint32_t>(slot)};
    }
    return {};
  };
  const Pick close = look_at(1, std::min(kCloseSlots, slots.size()));
  if (close.backend != kNoBackend) return close;
  const Pick any = any_with_room(pool, draw);
  if (any.all_full) return any;
  const Pick far = look_at(kCloseSlots, slots.size());
  return far.backend != kNoBackend ? far : any;
}

/// The policy's next choice, and the next, until one has room. A policy that looks at all of them has seen
/// that none has.
Pick choose_again(const PolicyRow& row, const PoolTable& pool, const Draw& draw) {
  for (unsigned i = 0; row.uses_schedule && i < kRedraws; ++i) {
    const BackendId id = row.choose(pool, draw);
    if (!draw.is_full(id)) return {.backend = id};
  }
  return any_with_room(pool, draw);
}

}  // namespace

bool hashes(Policy policy) {
  return row_of(policy).hash != nullptr;
}

Pick pick_by_hash(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key) {
  return pick_slot(pool, row_of(policy).hash(key, hash_key));
}

std::array<Pick, 4> pick_four(std::span<const PoolTable* const, 4> pools,
                              std::span<const FlowKey* const, 4> keys, const SipKey& hash_key) {
  const std::array<uint64_t, 4> hashes = hash_four_flow_keys(keys, hash_key);
  return {pick_slot(*pools[0], hashes[0]), pick_slot(*pools[1], hashes[1]), pick_slot(*pools[2], hashes[2]),
          pick_slot(*pools[3], hashes[3])};
}

Pick pick(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key, const Draw& draw,
          const Pick& foreseen) {
  const PolicyRow& row = row_of(policy);
  if (pool.empty() || (row.uses_schedule && pool.schedule().empty())) return {};
  if (row.hash != nullptr) {
    const Pick picked = foreseen.backend != kNoBackend ? foreseen : pick_by_hash(pool, policy, key, hash_key);
    return draw.is_full(picked.backend) ? next_slot(pool, picked.slot, draw) : picked;
  }
  const BackendId chosen = row.choose(pool, draw);
  return draw.is_full(chosen) ? choose_again(row, pool, draw) : Pick{chosen};
}

}  // namespace sluice::lb
