// Backends and the tables of pools.
#include <algorithm>
#include <utility>

#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/compile_network.h"
#include "ctrl/resolve/compile_step.h"

namespace sluice::ctrl {
namespace {

using lb::BackendState;

class PoolCompiler {
 public:
  explicit PoolCompiler(CompileStep& step) : step_(step), tables_(step.tables), ids_(step.ids) {}

  std::optional<Refusal> run() {
    find_changed();
    retire_absent();
    if (auto refusal = backends()) return refusal;
    return pool_tables();
  }

 private:
  /// Pools that differ, and all where routes changed.
  void find_changed() {
    const auto& pools = step_.in.effective.pools;
    for (const BackendKey& key : step_.in.flushed) step_.flushed_pools.insert(key.pool);
    if (step_.hops_anew) {
      for (const auto& [name, pool] : pools) step_.changed_pools.push_back({pool.get()});
      return;
    }
    for (const std::string_view name : step_.flushed_pools) {
      const auto pool = pools.find(name);
      if (pool != pools.end()) step_.changed_pools.push_back({pool->second.get()});
    }
    for_each_difference(step_.in.before->pools, pools,
                        [&](const std::string& name, const EffectivePool*, const EffectivePool* now) {
                          if (now && !step_.flushed_pools.contains(name))
                            step_.changed_pools.push_back({now});
                        });
  }

  void retire(const BackendKey& key) {
    const auto id = ids_.find_backend(key);
    if (!id) return;
    retired_.push_back(*id);
    ids_.retire_backend(*id);
  }

  void retire_absent() {
    if (!step_.before) return;
    for (const BackendKey& key : step_.in.flushed) retire(key);
    for_each_difference(step_.in.before->pools, step_.in.effective.pools,
                        [&](const std::string& name, const EffectivePool* old, const EffectivePool* now) {
                          if (old && (!now || old->members != now->members)) {
                            retire_members(name, *old->members, now ? now->members.get() : nullptr);
                          }
                          if (!now) release_tables(name, {});
                        });
    for (const auto& [pool, ids] : step_.changed_pools) release_tables(pool->intent->name, pool->use);
  }

  /// Those of `before` that `now`, if anything, does not have.
  void retire_members(const std::string& pool, const MemberList& before, const MemberList* now) {
    std::vector<HostPort> kept;
    for (size_t i = 0; now && i < now->members.size(); ++i) kept.push_back(now->members[i].at);
    std::ranges::sort(kept);
    for (const Member& member : before.members) {
      if (!std::ranges::binary_search(kept, member.at)) retire({pool, member.at.address, member.at.port});
    }
  }

  /// Gives back the tables that a pool had and that `use` does not ask for.
  void release_tables(const std::string& name, const PoolUse& use) {
    for (const IpProtocol protocol : kProtocols) {
      const auto index = ids_.find_pool_table(name, protocol);
      if (!index || use.of(protocol)) continue;
      released_tables_.push_back(*index);
      ids_.release_pool_table(*index);
    }
  }

  std::optional<Refusal> backends() {
    auto backends = std::make_shared<std::vector<lb::Backend>>();
    if (step_.previous) *backends = *step_.previous->backends;
    NextHops hops(tables_, step_.hops_anew ? nullptr : step_.previous->next_hops);
    forget_retired(*backends);
    for (auto& [pool, ids] : step_.changed_pools) {
      BackendKey key{pool->intent->name, {}, 0};
      ids.reserve(pool->backends.size());
      for (const EffectiveBackend& effective : pool->backends) {
        key.address = effective.at.address;
        key.port = effective.at.port;
        const auto id = ids_.backend(key);
        if (!id) return out_of_numbers("backends", lb::kMaxBackends);
        if (*id >= backends->size()) backends->resize(*id + size_t{1});
        fill(effective, *id, hops, (*backends)[*id]);
        (*backends)[*id].most_flows = pool->intent->limits.flows_per_backend.value_or(0);
        ids.push_back(*id);
      }
    }
    tables_.backends = std::move(backends);
    tables_.next_hops = hops.take();
    count_limited();
    return std::nullopt;
  }

  /// Whose flows are counted on all workers together.
  void count_limited() {
    const auto is_limited = [](const EffectivePool& pool) {
      return pool.intent->limits.flows_per_backend.has_value();
    };
    const bool may_differ = std::ranges::any_of(
        step_.changed_pools, [&](const CompileStep::Pool& changed) { return is_limited(*changed.pool); });
    if (step_.previous && !may_differ) {  // who is counted once may stay so
      tables_.counted_backends = step_.previous->counted_backends;
      return;
    }
    std::vector<lb::BackendId> counted;
    for (const auto& [name, pool] : step_.in.effective.pools) {
      if (!is_limited(*pool)) continue;
      for (const EffectiveBackend& backend : pool->backends) {
        if (const auto id = ids_.find_backend({name, backend.at.address, backend.at.port})) {
          counted.push_back(*id);
        }
      }
    }
    if (counted.empty()) return;
    std::ranges::sort(counted);
    tables_.counted_backends = std::make_shared<const std::vector<lb::BackendId>>(std::move(counted));
  }

  /// What is retired keeps its endpoint, by which flows find their backend under another number; but flows
  /// of a flushed one are to find none, nor those that still have a former number of it.
  void forget_retired(std::vector<lb::Backend>& backends) const {
    for (const lb::BackendId id : retired_) {
      backends[id] = {.address = backends[id].address, .port = backends[id].port};
    }
    for (const BackendKey& key : step_.in.flushed) {
      for (lb::Backend& backend : backends) {
        const bool is_former = backend.state == BackendState::kRemoved && backend.address == key.address &&
                               backend.port.host() == key.port;
        if (is_former) backend = {};
      }
    }
  }

  void fill(const EffectiveBackend& effective, lb::BackendId id, NextHops& hops, lb::Backend& backend) {
    const bool is_new = backend.state == BackendState::kRemoved;
    if (is_new) step_.added.push_back(id);
    if (step_.hops_anew || is_new) backend.next_hop = hops.index_of(effective.at.address);
    backend.address = effective.at.address;
    backend.port = Be16::from_host(effective.at.port);
    backend.weight = effective.weight;
    backend.state = effective.state;
    backend.keeps_flows = effective.keeps_flows;
  }

  /// Those that take new flows, as one protocol has them.
  static std::vector<lb::WeightedEndpoint> eligible(const CompileStep::Pool& changed, IpProtocol protocol) {
    std::vector<lb::WeightedEndpoint> endpoints;
    for (size_t i = 0; i < changed.ids.size(); ++i) {
      const EffectiveBackend& backend = changed.pool->backends[i];
      if (!backend.takes_flows()) continue;
      endpoints.push_back({{backend.at.address, Be16::from_host(backend.at.port), protocol},
                           backend.weight,
                           changed.ids[i],
                           backend.tenths});
    }
    return endpoints;
  }

  std::optional<Refusal> pool_tables() {
    if (step_.previous) {
      tables_.pools = step_.previous->pools;
      tables_.members = step_.previous->members;
    }
    for (const uint32_t index : released_tables_) {
      tables_.pools.set(index, nullptr);
      tables_.members.set(index, nullptr);
    }
    for (const CompileStep::Pool& changed : step_.changed_pools) {
      for (const IpProtocol protocol : kProtocols) {
        const auto& needs = changed.pool->use.of(protocol);
        if (!needs) continue;
        const auto index = ids_.pool_table(changed.pool->intent->name, protocol);
        if (!index) return out_of_numbers("pools", lb::kMaxPools);
        tables_.pools.grow(*index + size_t{1});
        tables_.members.grow(*index + size_t{1});
        if (!tables_.members[*index] || !has_same_members(*changed.pool)) {
          tables_.members.set(*index, members(changed));
        }
        const auto& table = tables_.pools[*index];
        const auto endpoints = eligible(changed, protocol);
        if (table && is_up_to_date(*table, endpoints, changed.pool->table_size, *needs)) continue;
        tables_.pools.set(*index, lb::PoolTable::build(*index, endpoints, changed.pool->table_size,
                                                       tables_.hash_key, *needs));
      }
    }
    return std::nullopt;
  }

  /// Whether a pool's backends, and their numbers, are those of before.
  bool has_same_members(const EffectivePool& pool) const {
    if (!step_.before || step_.flushed_pools.contains(pool.intent->name)) return false;
    const auto then = step_.in.before->pools.find(pool.intent->name);
    return then != step_.in.before->pools.end() && then->second->members == pool.members;
  }

  static std::shared_ptr<const lb::PoolMembers> members(const CompileStep::Pool& changed) {
    std::vector<lb::PoolMembers::Member> members;
    members.reserve(changed.ids.size());
    for (size_t i = 0; i < changed.ids.size(); ++i) {
      const HostPort& at = changed.pool->backends[i].at;
      members.push_back({at.address, Be16::from_host(at.port), changed.ids[i]});
    }
    return std::make_shared<const lb::PoolMembers>(std::move(members));
  }

  static bool is_up_to_date(const lb::PoolTable& table, std::vector<lb::WeightedEndpoint> endpoints,
                            uint32_t size, lb::PoolTable::Needs needs) {
    if (table.slots().size() != (endpoints.empty() ? 0 : size)) return false;
    if (!endpoints.empty() && needs.schedule != !table.schedule().empty()) return false;
    std::sort(endpoints.begin(), endpoints.end(),
              [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
    return std::ranges::equal(endpoints, table.candidates());
  }

  CompileStep& step_;
  dataplane::Tables& tables_;
  IdRegistry& ids_;
  std::vector<lb::BackendId> retired_;
  std::vector<uint32_t> released_tables_;
};

}  // namespace

std::optional<Refusal> compile_pools(CompileStep& step) {
  return PoolCompiler(step).run();
}

}  // namespace sluice::ctrl
