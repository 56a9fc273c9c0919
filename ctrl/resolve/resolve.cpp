#include "ctrl/resolve/resolve.h"

#include <algorithm>
#include <utility>

#include "ctrl/intent/model_changes.h"
#include "lb/maglev.h"

namespace sluice::ctrl {
namespace {

using lb::BackendState;

EffectiveBackend effective(const Member& member, const BackendStatus& status) {
  EffectiveBackend backend{member.at, status.set_weight.value_or(member.table_weight)};
  backend.state = effective_state(status).state;
  backend.keeps_flows = backend.state == BackendState::kActive || backend.state == BackendState::kDraining;
  return backend;
}

/// While anybody starts slowly, weights count in tenths: the other ones' too, so that all keep their shares.
void weigh_slow_starts(std::vector<EffectiveBackend>& backends, const std::vector<uint8_t>& tenths) {
  if (std::ranges::all_of(tenths, [](uint8_t each) { return each == lb::kWholeWeight; })) return;
  for (size_t i = 0; i < backends.size(); ++i) {
    backends[i].weight *= tenths[i];
    backends[i].tenths = tenths[i];
  }
}

/// Whether too few of the backends that nobody has taken out are healthy.
bool is_in_panic(const PoolModel& pool, size_t healthy, size_t counted) {
  if (counted == 0) return false;
  if (healthy == 0 && pool.fail_open) return true;
  // Both are the doubles next to what they stand for, so exactly at the value is not below it.
  return pool.panic && static_cast<double>(healthy) / static_cast<double>(counted) < *pool.panic;
}

/// Where the pool is in panic, those that are down count all the same, unless somebody has taken them out.
void balance_over_all_in_panic(const PoolModel& pool, std::vector<EffectiveBackend>& backends,
                               const std::vector<AdminState>& admin) {
  size_t healthy = 0, counted = 0;
  for (size_t i = 0; i < backends.size(); ++i) {
    if (admin[i] != AdminState::kActive) continue;
    ++counted;
    healthy += backends[i].state == BackendState::kActive;
  }
  if (!is_in_panic(pool, healthy, counted)) return;
  for (size_t i = 0; i < backends.size(); ++i) {
    if (admin[i] == AdminState::kActive && backends[i].state == BackendState::kDown)
      backends[i].keeps_flows = true;
  }
}

/// The size of a pool's tables. With a source it follows who is there, but never shrinks: every flow would
/// have another slot.
uint32_t table_size(const PoolModel& pool, size_t present, const EffectivePool* previous) {
  if (pool.table_size) return *pool.table_size;
  const uint32_t size = lb::maglev_table_size(present);
  const bool had_source = previous && previous->intent->discover && !previous->intent->table_size;
  return pool.discover && had_source ? std::max(size, previous->table_size) : size;
}

std::shared_ptr<const EffectivePool> effective_pool(std::shared_ptr<const PoolModel> intent,
                                                    std::shared_ptr<const MemberList> members,
                                                    const Observed& observed, const PoolUse& use,
                                                    const EffectivePool* previous) {
  static const BackendStatus kUnknown;
  auto pool = std::make_shared<EffectivePool>();
  std::vector<AdminState> admin;
  std::vector<uint8_t> tenths;
  pool->backends.reserve(members->members.size());
  admin.reserve(members->members.size());
  BackendKey key{intent->name, {}, 0};
  for (const Member& member : members->members) {
    key.address = member.at.address;
    key.port = member.at.port;
    const auto found = observed.statuses.find(key);
    const BackendStatus& status = found == observed.statuses.end() ? kUnknown : found->second;
    pool->backends.push_back(effective(member, status));
    admin.push_back(status.offer == Offer::kTakesFlows ? status.admin : AdminState::kDraining);
    if (intent->slow_start.count() > 0) tenths.push_back(status.tenths);
  }
  if (!tenths.empty()) weigh_slow_starts(pool->backends, tenths);
  balance_over_all_in_panic(*intent, pool->backends, admin);
  pool->table_size = table_size(*intent, members->present, previous);
  pool->use = use;
  pool->intent = std::move(intent);
  pool->members = std::move(members);
  return pool;
}

}  // namespace

Effective resolve(std::shared_ptr<const Model> intent, const Observed& observed,
                  const std::set<std::string>& touched, const Effective* previous) {
  static const Effective kNothing{std::make_shared<const Model>(), {}, {}, {}};
  const Effective& before = previous ? *previous : kNothing;
  Effective result{intent, observed.members, before.pools, observed.sets, observed.inspections};
  std::set<std::string> different = touched;
  for_each_difference(before.intent->pools, intent->pools,
                      [&](const std::string& name, auto, auto) { different.insert(name); });
  const bool same_services = before.intent->services == intent->services;
  const PoolUses uses = same_services ? PoolUses{} : pool_uses(*intent);
  for (const auto& [name, use] : uses) {
    const auto known = before.pools.find(name);
    if (known == before.pools.end() || known->second->use != use) different.emplace(name);
  }
  for_each_difference(before.members, observed.members,
                      [&](const std::string& name, auto, auto) { different.insert(name); });
  for (const std::string& name : different) {
    const auto pool = intent->pools.find(name);
    const auto known = before.pools.find(name);
    const EffectivePool* const old = known == before.pools.end() ? nullptr : known->second.get();
    if (pool == intent->pools.end()) {
      result.pools.erase(name);
      continue;
    }
    const auto use = uses.find(name);
    const PoolUse known_use = use != uses.end() ? use->second : old ? old->use : unused();
    result.pools.set(name, effective_pool(pool->second, observed.members.at(name), observed, known_use, old));
  }
  return result;
}

}  // namespace sluice::ctrl
