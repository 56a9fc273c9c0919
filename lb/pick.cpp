#include "lb/pick.h"

#include "common/check.h"

namespace sluice::lb {
namespace {

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), reduced to 0..size-1 by multiplication.
uint32_t random_below(size_t size, uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return static_cast<uint32_t>((z >> 32) * size >> 32);
}

/// The cursor's position in a list of `size`, and a step for the next caller.
uint32_t advance(uint32_t& cursor, size_t size) {
  const uint32_t position = cursor < size ? cursor : 0;  // the list may have shrunk since
  cursor = position + 1;
  return position;
}

/// Flows per weight, compared without a division.
struct Load {
  uint64_t flows;
  uint64_t weight;
  bool operator<(const Load& other) const { return flows * other.weight < other.flows * weight; }
};

BackendId less_loaded(BackendId a, BackendId b, const Draw& draw) {
  const auto load = [&](BackendId id) {
    return Load{draw.load[id].active_flows.read(), draw.backends[id].weight};
  };
  return load(b) < load(a) ? b : a;
}

/// Begins at the cursor, so that equals take turns.
BackendId least_loaded(std::span<const WeightedEndpoint> candidates, const Draw& draw) {
  const auto load = [&](const WeightedEndpoint& candidate) {
    return Load{draw.load[candidate.id].active_flows.read(), candidate.weight};
  };
  uint32_t best = advance(draw.cursor, candidates.size());
  const uint32_t begin = best;
  for (uint32_t i = begin + 1; i != begin + candidates.size(); ++i) {
    const uint32_t wrapped = i < candidates.size() ? i : i - static_cast<uint32_t>(candidates.size());
    if (load(candidates[wrapped]) < load(candidates[best])) best = wrapped;
  }
  return candidates[best].id;
}

}  // namespace

Pick pick_by_hash(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key) {
  const uint64_t hash = policy == Policy::kSourceHash
                            ? siphash24(hash_key, key.source.bytes().data(), key.source.bytes().size())
                            : siphash24(hash_key, &key, FlowKey::kHashedBytes);
  const auto slot = static_cast<uint32_t>(hash % pool.slots().size());
  return {pool.slots()[slot], slot};
}

Pick pick(const PoolTable& pool, Policy policy, const FlowKey& key, const SipKey& hash_key,
          const Draw& draw) {
  const auto schedule = pool.schedule();
  if (pool.empty() || (uses_schedule(policy) && schedule.empty())) return {};
  switch (policy) {
    case Policy::kMaglev:
    case Policy::kSourceHash:
      return pick_by_hash(pool, policy, key, hash_key);
    case Policy::kWeightedRoundRobin:
      return {schedule[advance(draw.cursor, schedule.size())]};
    case Policy::kRandom:
      return {schedule[random_below(schedule.size(), draw.random)]};
    case Policy::kTwoChoices: {
      const BackendId one = schedule[random_below(schedule.size(), draw.random)];
      const BackendId other = schedule[random_below(schedule.size(), draw.random)];
      return {less_loaded(one, other, draw)};
    }
    case Policy::kLeastConnections:
      return {least_loaded(pool.candidates(), draw)};
  }
  end_broken("a policy is one of lb::Policy");
}

}  // namespace sluice::lb
