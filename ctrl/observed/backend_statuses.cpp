#include "ctrl/observed/backend_statuses.h"

#include <algorithm>
#include <set>
#include <string>

#include "ctrl/intent/model_changes.h"

namespace sluice::ctrl {

namespace {

using Endpoint = std::pair<IpAddress, uint16_t>;

bool is_available(const BackendStatus* status) {
  return status != nullptr && status->weight() > 0 &&
         effective_state(*status).state == lb::BackendState::kActive;
}

bool is_listed(const BackendStatus* status) {
  return status != nullptr && status->offer != Offer::kWithdrawn;
}

/// What an operator has set for backends of pools that `after` does not have: a pool that is renamed takes
/// it along. Of several pools the strictest counts.
std::map<HostPort, AdminState> set_in_removed_pools(const MemberLists& before, const MemberLists& after,
                                                    const std::map<BackendKey, BackendStatus>& statuses) {
  std::map<HostPort, AdminState> set;
  for_each_difference(before, after,
                      [&](const std::string& name, const MemberList* old_list, const MemberList* new_list) {
                        if (new_list) return;
                        for (const Member& member : old_list->members) {
                          const auto status = statuses.find({name, member.at.address, member.at.port});
                          if (status == statuses.end() || status->second.admin == AdminState::kActive)
                            continue;
                          AdminState& known = set[member.at];
                          known = std::max(known, status->second.admin);
                        }
                      });
  return set;
}

/// In order of endpoint.
std::vector<const Member*> sorted_members(const MemberList* list) {
  std::vector<const Member*> members;
  if (!list) return members;
  members.reserve(list->members.size());
  for (const Member& member : list->members) members.push_back(&member);
  std::ranges::sort(members, {}, [](const Member* member) { return member->at; });
  return members;
}

/// Calls visit(before, after) for every endpoint; null where it is absent.
template <typename Visit>
void for_each_member(const MemberList* before, const MemberList* after, Visit&& visit) {
  const auto old_members = sorted_members(before), new_members = sorted_members(after);
  auto old = old_members.begin();
  for (const Member* now : new_members) {
    for (; old != old_members.end() && (*old)->at < now->at; ++old) visit(*old, nullptr);
    const bool is_known = old != old_members.end() && (*old)->at == now->at;
    visit(is_known ? *old++ : nullptr, now);
  }
  for (; old != old_members.end(); ++old) visit(*old, nullptr);
}

bool is_checked(const Model& model, const std::string& pool) {
  const auto found = model.pools.find(pool);
  return found != model.pools.end() && found->second->health.type != HealthType::kNone;
}

const MemberList* list_of(const MemberLists& lists, const std::string& pool) {
  const auto found = lists.find(pool);
  return found == lists.end() ? nullptr : found->second.get();
}

/// Whether a pool has served, with what its file names, or its source: the first whom either names begin
/// together, at the gateway's start or at the pool's.
struct Livelihood {
  bool file = false;
  bool source = false;
};

Livelihood livelihood_of(const MemberList* list) {
  Livelihood live;
  for (size_t i = 0; list && i < list->members.size(); ++i) {
    (list->members[i].is_from_file ? live.file : live.source) = true;
  }
  return live;
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
  if (is_listed(before) == is_listed(after) && was_available == is_available_now) return;
  PoolAvailability& numbers = touch(pool);
  numbers.listed += (is_listed(after) ? 1 : 0);
  numbers.listed -= (is_listed(before) ? 1 : 0);
  numbers.available += (is_available_now ? 1 : 0);
  numbers.available -= (was_available ? 1 : 0);
}

/// Whoever comes up, or back, starts slowly; a new one has its say in that itself.
void BackendStatuses::note_slow_start(const BackendKey& key, const BackendStatus* before,
                                      BackendStatus& status) {
  const bool is_active = effective_state(status).state == lb::BackendState::kActive;
  const bool comes_back = before && effective_state(*before).state != lb::BackendState::kActive;
  if (!is_active) status.tenths = lb::kWholeWeight;
  if (is_active && comes_back) {
    status.tenths = 1;
    status.slow_start_began.reset();
  }
  if (status.tenths < lb::kWholeWeight) slow_starts_.insert(key);
}

void BackendStatuses::set(const BackendKey& key, std::optional<BackendStatus> status) {
  const auto found = statuses_.find(key);
  if (status) note_slow_start(key, found == statuses_.end() ? nullptr : &found->second, *status);
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

void BackendStatuses::follow(const World& before, const World& after, Time now) {
  const auto set_before = set_in_removed_pools(before.members, after.members, statuses_);
  std::set<std::string> different;
  for_each_difference(before.members, after.members,
                      [&](const std::string& name, auto, auto) { different.insert(name); });
  for_each_difference(before.model.pools, after.model.pools, [&](const std::string& name, auto, auto) {
    if (is_checked(before.model, name) != is_checked(after.model, name)) different.insert(name);
  });
  for (const std::string& name : different) {
    const MemberList* const old_list = list_of(before.members, name);
    const MemberList* const new_list = list_of(after.members, name);
    touch(name);
    const bool checked = is_checked(after.model, name);
    const bool same_checks = checked == is_checked(before.model, name);
    const Livelihood live = livelihood_of(old_list);
    for_each_member(old_list, new_list, [&](const Member* old, const Member* member) {
      if (old && member && *old == *member && same_checks) return;
      const HostPort& at = (member ? member : old)->at;
      const BackendKey key{name, at.address, at.port};
      if (!member) {
        if (find(key)) set(key, std::nullopt);
        return;
      }
      const auto taken_along = old_list ? set_before.end() : set_before.find(at);
      const bool is_set = taken_along != set_before.end();
      follow(key, *member,
             {.admin = is_set ? taken_along->second : AdminState::kActive,
              .is_checked = checked,
              .starts_slowly = member->is_from_file ? live.file : live.source},
             now);
    });
    if (!new_list) pools_.erase(name);
  }
}

/// One member: what `newcomer` says of states counts where it is new.
void BackendStatuses::follow(const BackendKey& key, const Member& member, const Newcomer& newcomer,
                             Time now) {
  const BackendStatus* const known = find(key);
  BackendStatus status = known ? *known : BackendStatus{.admin = newcomer.admin, .since = now};
  if (!known && newcomer.starts_slowly) status.tenths = 1;
  if (known && member.weight != known->named_weight) status.set_weight.reset();
  if (!newcomer.is_checked) {
    if (!status.healthy) status.since = now;
    status.healthy = status.check_known = true;
    status.health_reason.clear();
  }
  status.offer = member.offer;
  status.named_weight = member.weight;
  status.is_from_file = member.is_from_file;
  if (known && effective_state(status).state != effective_state(*known).state) status.since = now;
  set(key, std::move(status));
}

std::vector<BackendKey> BackendStatuses::reset_weights() {
  std::vector<BackendKey> reset;
  for (const auto& [key, status] : statuses_) {
    if (status.is_from_file && status.set_weight) reset.push_back(key);
  }
  for (const BackendKey& key : reset) set_weight(key, std::nullopt);
  return reset;
}

bool BackendStatuses::set_weight(const BackendKey& key, std::optional<uint32_t> weight) {
  const BackendStatus* const known = find(key);
  if (!known || known->weight() == weight.value_or(known->named_weight)) return false;
  BackendStatus status = *known;
  status.set_weight = weight == status.named_weight ? std::nullopt : weight;
  set(key, std::move(status));
  return true;
}

StatusChanges BackendStatuses::commit() {
  std::map<BackendKey, const BackendStatus*> before;
  StatusChanges changes;
  for (const auto& [key, status] : undo_) {
    changes.touched_pools.insert(key.pool);
    if (status) before.try_emplace(key, &*status);
  }
  for (const auto& [key, old] : before) {
    const auto now = statuses_.find(key);
    const auto from = effective_state(*old);
    if (now == statuses_.end()) {
      changes.gone.push_back({key, from.state, from.reason, old->since});
      continue;
    }
    const auto to = effective_state(now->second);
    if (from.state == to.state && old->check_known == now->second.check_known) continue;
    if (from.state != to.state) ++now->second.transitions;
    changes.backends.push_back(
        {key, from.state, to.state, to.reason, now->second.check_known, from.reason, old->since});
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

std::set<std::string> BackendStatuses::advance_slow_starts(const Model& model,
                                                           std::chrono::steady_clock::time_point now) {
  std::set<std::string> differ;
  for (auto it = slow_starts_.begin(); it != slow_starts_.end();) {
    const BackendKey& key = *it;
    const BackendStatus* const known = find(key);
    if (!known || known->tenths == lb::kWholeWeight) {  // since the last time at least, so that it stays so
      it = slow_starts_.erase(it);
      continue;
    }
    ++it;
    const auto pool = model.pools.find(key.pool);
    const auto slow_start =
        pool == model.pools.end() ? std::chrono::milliseconds(0) : pool->second->slow_start;
    BackendStatus status = *known;
    if (!status.slow_start_began) status.slow_start_began = now;
    status.tenths = slow_start_tenths(now - *status.slow_start_began, slow_start);
    if (status.tenths != known->tenths && slow_start.count() > 0) differ.insert(key.pool);
    if (status.tenths != known->tenths || !known->slow_start_began) set(key, std::move(status));
  }
  return differ;
}

bool BackendStatuses::set_ejected(const BackendKey& key, const std::string& reason, Time now) {
  const BackendStatus* const known = find(key);
  if (!known || known->ejected == reason) return false;
  BackendStatus status = *known;
  status.ejected = reason;
  if (effective_state(status).state != effective_state(*known).state) status.since = now;
  set(key, std::move(status));
  return true;
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
