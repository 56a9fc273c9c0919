#include "ctrl/backend_statuses.h"

#include <algorithm>
#include <set>
#include <string>

#include "ctrl/model_changes.h"

namespace sluice::ctrl {

namespace {

using Endpoint = std::pair<IpAddress, uint16_t>;

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

void BackendStatuses::set(const BackendKey& key, std::optional<BackendStatus> status) {
  const auto found = statuses_.find(key);
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
          const bool checked = new_pool->health.type != HealthType::kNone;
          for (const BackendModel& backend : new_pool->backends) {
            const BackendKey key{name, backend.address, backend.port};
            present.insert(key);
            const BackendStatus* const known = find(key);
            if (!known) {
              const auto taken_along = old_pool ? set_before.end() : set_before.find({key.address, key.port});
              const bool is_set = taken_along != set_before.end();
              set(key,
                  BackendStatus{.admin = is_set ? taken_along->second : AdminState::kActive, .since = now});
            } else if (!checked && (!known->healthy || !known->health_reason.empty())) {
              set(key, BackendStatus{.admin = known->admin, .since = known->healthy ? known->since : now});
            }
          }
        }
        if (!old_pool) return;
        for (const BackendModel& backend : old_pool->backends) {
          const BackendKey key{name, backend.address, backend.port};
          if (!present.contains(key) && find(key)) set(key, std::nullopt);
        }
      });
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
}

}  // namespace sluice::ctrl
