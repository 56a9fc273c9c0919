#include "ctrl/observed/lease_table.h"

#include <algorithm>
#include <utility>

namespace sluice::ctrl {
namespace {

size_t bytes_of(const ServiceInstance& instance) {
  constexpr size_t kOverhead = 512;  // maps, and the lease
  size_t bytes =
      kOverhead + 4 * (instance.key.service.size() + instance.key.instance.size()) + instance.address.size();
  for (const auto& [key, value] : instance.metadata) bytes += 96 + key.size() + value.size();
  return bytes;
}

}  // namespace

bool LeaseTable::has_room(const ServiceInstance& instance) const {
  const std::lock_guard lock(mutex_);
  const auto known = entries_.find(instance.key);
  const size_t freed = known == entries_.end() ? 0 : bytes_of(*known->second.instance);
  return bytes_ - freed + bytes_of(instance) <= kMostBytes &&
         (freed != 0 || entries_.size() < kMostInstances);
}

void LeaseTable::note_change(const InstanceKey& key) {
  ++index_;
  const auto first = entries_.lower_bound(InstanceKey{key.service, ""});
  if (first == entries_.end() || first->first.service != key.service) {
    service_index_.erase(key.service);
    emptied_index_ = index_;
  } else {
    service_index_[key.service] = index_;
  }
  changes_.emplace_back(index_, key);
  if (changes_.size() > kMostChanges) {
    forgotten_index_ = changes_.front().first;
    changes_.pop_front();
  }
  for (const auto& [number, listener] : listeners_) {
    if (listener.service.empty() || listener.service == key.service) listener.changed();
  }
}

void LeaseTable::put(Instance instance, std::string lease, Time deadline) {
  const std::lock_guard lock(mutex_);
  const InstanceKey key = instance->key;
  const auto [place, is_new] = entries_.try_emplace(key);
  Entry& entry = place->second;
  const bool says_the_same = !is_new && *entry.instance == *instance;
  if (!is_new) {
    bytes_ -= bytes_of(*entry.instance);
    by_lease_.erase(entry.lease);
    deadlines_.erase({entry.deadline, key});
  }
  bytes_ += bytes_of(*instance);
  by_lease_[lease] = key;
  deadlines_.emplace(deadline, key);
  entry = {std::move(instance), std::move(lease), deadline};
  if (!says_the_same) note_change(key);
}

LeaseTable::Instance LeaseTable::of_lease(const std::string& lease) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_lease_.find(lease);
  return found == by_lease_.end() ? nullptr : entries_.at(found->second).instance;
}

std::string LeaseTable::lease_of(const InstanceKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::string() : found->second.lease;
}

void LeaseTable::renew(const std::string& lease, Time deadline) {
  const std::lock_guard lock(mutex_);
  const auto found = by_lease_.find(lease);
  if (found == by_lease_.end()) return;
  Entry& entry = entries_.at(found->second);
  deadlines_.erase({entry.deadline, found->second});
  entry.deadline = deadline;
  deadlines_.emplace(deadline, found->second);
}

void LeaseTable::remove(const InstanceKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  const InstanceKey gone = key;  // `key` may lie in what is erased
  bytes_ -= bytes_of(*found->second.instance);
  by_lease_.erase(found->second.lease);
  deadlines_.erase({found->second.deadline, gone});
  entries_.erase(found);
  note_change(gone);
}

std::vector<InstanceKey> LeaseTable::overdue(Time now) const {
  const std::lock_guard lock(mutex_);
  std::vector<InstanceKey> keys;
  for (auto next = deadlines_.begin(); next != deadlines_.end() && next->first <= now; ++next) {
    keys.push_back(next->second);
  }
  return keys;
}

void LeaseTable::keep_until(Time time) {
  const std::lock_guard lock(mutex_);
  while (!deadlines_.empty() && deadlines_.begin()->first < time) {
    auto node = deadlines_.extract(deadlines_.begin());
    entries_.at(node.value().second).deadline = time;
    node.value().first = time;
    deadlines_.insert(std::move(node));
  }
}

std::pair<LeaseTable::Entries::const_iterator, LeaseTable::Entries::const_iterator> LeaseTable::range(
    const std::string& service) const {
  if (service.empty()) return {entries_.begin(), entries_.end()};
  const auto from = entries_.lower_bound(InstanceKey{service, ""});
  auto to = from;
  while (to != entries_.end() && to->first.service == service) ++to;
  return {from, to};
}

uint64_t LeaseTable::index_under_lock(const std::string& service) const {
  if (service.empty()) return index_;
  const auto found = service_index_.find(service);
  return found == service_index_.end() ? std::max<uint64_t>(emptied_index_, 1) : found->second;
}

LeaseTable::View LeaseTable::list(const std::string& service) const {
  const std::lock_guard lock(mutex_);
  View view{index_under_lock(service), index_};
  for (auto [next, to] = range(service); next != to; ++next) view.instances.push_back(next->second.instance);
  return view;
}

LeaseTable::View LeaseTable::page(const std::string& service, const InstanceKey& after, size_t most) const {
  const std::lock_guard lock(mutex_);
  View view{index_under_lock(service), index_};
  const InstanceKey from = std::max(after, InstanceKey{service, ""});
  for (auto entry = entries_.upper_bound(from); entry != entries_.end() && view.instances.size() < most;
       ++entry) {
    if (!service.empty() && entry->first.service != service) break;
    view.instances.push_back(entry->second.instance);
  }
  return view;
}

uint64_t LeaseTable::index_of(const std::string& service) const {
  const std::lock_guard lock(mutex_);
  return index_under_lock(service);
}

std::optional<LeaseTable::Changes> LeaseTable::since(const std::string& service, uint64_t position) const {
  const std::lock_guard lock(mutex_);
  if (position < forgotten_index_ || position > index_) return std::nullopt;
  std::set<InstanceKey> keys;
  for (auto change = changes_.rbegin(); change != changes_.rend() && change->first > position; ++change) {
    if (service.empty() || change->second.service == service) keys.insert(change->second);
  }
  Changes changes{index_under_lock(service), index_};
  for (const InstanceKey& key : keys) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
      changes.gone.push_back(key);
    } else {
      changes.instances.push_back(found->second.instance);
    }
  }
  return changes;
}

uint64_t LeaseTable::listen(const std::string& service, std::function<void()> changed) {
  const std::lock_guard lock(mutex_);
  listeners_[next_listener_] = {service, std::move(changed)};
  return next_listener_++;
}

void LeaseTable::unlisten(uint64_t listener) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(listener);
}

size_t LeaseTable::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::vector<LeaseTable::Lease> LeaseTable::leases() const {
  const std::lock_guard lock(mutex_);
  std::vector<Lease> leases;
  leases.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) leases.push_back({entry.instance, entry.lease, entry.deadline});
  return leases;
}

void LeaseTable::go_on_from(uint64_t index) {
  const std::lock_guard lock(mutex_);
  index_ = std::max(index_, index);
  changes_.clear();
  forgotten_index_ = index_;
  emptied_index_ = index_;
  for (auto& [service, of_service] : service_index_) of_service = index_;
}

}  // namespace sluice::ctrl
