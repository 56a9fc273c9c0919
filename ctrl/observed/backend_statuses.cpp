#include "ctrl/observed/backend_statuses.h"

#include <algorithm>
#include <set>
#include <string>

#include "ctrl/intent/model_changes.h"

namespace sluice::ctrl {

namespace {

using Endpoint = std::pair<IpAddress, uint16_t>;

bool is_available(const BackendStatus* status) {
  return status != nullptr && status->has_weight &&
         effective_state(*status).state == lb::BackendState::kActive;
}

/// What an operator has set for backends of pools that `after` does not have: a pool that is renamed takes
/// it along. Of several pools the strictest counts.
std::map<Endpoint, AdminState> set_in_removed_pools(const Model& before, const Model& after,
                                                    const std::map<BackendKey, BackendStatus>& statuses) {
  std::map<Endpoint, AdminState> set;
  for_each_difference(before.pools, after.pools,
                      [&](const std::string& name, const PoolModel* old_pool, const PoolModel* new_pool) {
                        if (new_pool) return;
                        for (const BackendModel& backend : old_pool->backends) {
                          const auto status = statuses.find({name, backend.address, backend.port});
                          if (status == statuses.end() || status->second.admin == AdminState::kActive)
                            continue;
                          AdminState& known = set[{backend.address, backend.port}];
                          known = std::max(known, status->second.admin);
                        }
                      });
  return set;
}

}  // namespace

const BackendStatus* BackendStatuses::find(const BackendKey& key) const {
  const auto found = statuses_.find(key);
  return found == statuses_.end() ? nullptr : &found->second;
}

PoolAvailability BackendStatuses::pool(const std::string& name) const {
  const auto found = pools_.find(name);
  return found == pools_.end() ? PoolAvailability{} : found->second;
}

/// The numbers of a pool that are about to change; remembers what they were.
PoolAvailability& BackendStatuses::touch(const std::string& pool) {
  const auto found = pools_.find(pool);
  pools_before_.try_emplace(pool, found == pools_.end() ? std::nullopt : std::optional(found->second));
  return found == pools_.end() ? pools_[pool] : found->second;
}

void BackendStatuses::count(const std::string& pool, const BackendStatus* before,
                            const BackendStatus* after) {
  const bool was_available = is_available(before), is_available_now = is_available(after);
  if ((before == nullptr) == (after == nullptr) && was_available == is_available_now) return;
  PoolAvailability& numbers = touch(pool);
  numbers.listed += (after != nullptr ? 1 : 0);
  numbers.listed -= (before != nullptr ? 1 : 0);
  numbers.available += (is_available_now ? 1 : 0);
  numbers.available -= (was_available ? 1 : 0);
}

void BackendStatuses::set(const BackendKey& key, std::optional<BackendStatus> status) {
  const auto found = statuses_.find(key);
  count(key.pool, found == statuses_.end() ? nullptr : &found->second, status ? &*status : nullptr);
  undo_.emplace_back(key, found == statuses_.end() ? std::nullopt : std::optional(found->second));
  if (!status) {
    statuses_.erase(found);
  } else if (found == statuses_.end()) {
    statuses_.emplace(key, std::move(*status));
  } else {
    found->second = std::move(*status);
  }
}

void BackendStatuses::follow(const Model& before, const Model& after, Time now) {
  const auto set_before = set_in_removed_pools(before, after, statuses_);
  for_each_difference(
      before.pools, after.pools,
      [&](const std::string& name, const PoolModel* old_pool, const PoolModel* new_pool) {
        std::set<BackendKey> present;
        if (new_pool) {
          touch(name);
          const bool checked = new_pool->health.type != HealthType::kNone;
          for (const BackendModel& backend : new_pool->backends) {
            const BackendKey key{name, backend.address, backend.port};
            present.insert(key);
            const BackendStatus* const known = find(key);
            if (!known) {
              const auto taken_along = old_pool ? set_before.end() : set_before.find({key.address, key.port});
              const bool is_set = taken_along != set_before.end();
              set(key, BackendStatus{.admin = is_set ? taken_along->second : AdminState::kActive,
                                     .since = now,
                                     .has_weight = backend.weight > 0});
            } else if (!checked && (!known->healthy || !known->health_reason.empty())) {
              set(key, BackendStatus{.admin = known->admin,
                                     .since = known->healthy ? known->since : now,
                                     .has_weight = backend.weight > 0,
                                     .transitions = known->transitions});
            } else {
              set_weight(key, backend.weight);
            }
          }
        }
        if (!old_pool) return;
        for (const BackendModel& backend : old_pool->backends) {
          const BackendKey key{name, backend.address, backend.port};
          if (!present.contains(key) && find(key)) set(key, std::nullopt);
        }
        if (!new_pool) {
          touch(name);
          pools_.erase(name);
        }
      });
}

bool BackendStatuses::set_weight(const BackendKey& key, uint32_t weight) {
  const BackendStatus* const known = find(key);
  if (!known || known->has_weight == (weight > 0)) return false;
  BackendStatus status = *known;
  status.has_weight = weight > 0;
  set(key, std::move(status));
  return true;
}

StatusChanges BackendStatuses::commit() {
  std::map<BackendKey, const BackendStatus*> before;
  for (const auto& [key, status] : undo_) {
    if (status) before.try_emplace(key, &*status);
  }
  StatusChanges changes;
  for (const auto& [key, old] : before) {
    const auto now = statuses_.find(key);
    if (now == statuses_.end()) continue;
    const auto from = effective_state(*old), to = effective_state(now->second);
    if (from.state == to.state && old->check_known == now->second.check_known) continue;
    if (from.state != to.state) ++now->second.transitions;
    changes.backends.push_back({key, from.state, to.state, to.reason, now->second.check_known});
  }
  for (const auto& [name, old] : pools_before_) {
    const auto now = pools_.find(name);
    if (now == pools_.end() || (old && *old == now->second)) continue;
    changes.pools.push_back({name, old ? std::optional(old->available) : std::nullopt, now->second});
  }
  undo_.clear();
  pools_before_.clear();
  return changes;
}

bool BackendStatuses::set_admin(const BackendKey& key, AdminState state, Time now) {
  const BackendStatus* const known = find(key);
  if (!known || known->admin == state) return false;
  BackendStatus status = *known;
  status.admin = state;
  status.since = now;
  set(key, std::move(status));
  return true;
}

bool BackendStatuses::set_health(const BackendKey& key, bool healthy, const std::string& reason, Time now,
                                 bool check_known) {
  const BackendStatus* const known = find(key);
  if (!known) return false;
  const bool changed = known->healthy != healthy;
  if (!changed && known->health_reason == reason && known->check_known == check_known) return false;
  BackendStatus status = *known;
  status.healthy = healthy;
  status.health_reason = reason;
  status.check_known = check_known;
  if (changed) status.since = now;
  set(key, std::move(status));
  return changed;
}

void BackendStatuses::discard() {
  for (auto it = undo_.rbegin(); it != undo_.rend(); ++it) {
    if (it->second) {
      statuses_.insert_or_assign(it->first, std::move(*it->second));
    } else {
      statuses_.erase(it->first);
    }
  }
  undo_.clear();
  for (auto& [name, numbers] : pools_before_) {
    if (numbers) {
      pools_[name] = *numbers;
    } else {
      pools_.erase(name);
    }
  }
  pools_before_.clear();
}

}  // namespace sluice::ctrl
