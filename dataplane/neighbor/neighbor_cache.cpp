#include "dataplane/neighbor/neighbor_cache.h"

#include <algorithm>

namespace sluice::dataplane {
namespace {

constexpr uint16_t kNoSlot = UINT16_MAX;
constexpr unsigned kEvictionSample = 16;

}  // namespace

NeighborCache::NeighborCache(uint64_t seed, uint32_t capacity)
    : capacity_(capacity),
      hash_(seed),
      entries_(new NeighborEntry[capacity]),
      buckets_(new uint32_t[capacity]) {
  std::fill_n(buckets_.get(), capacity, kNone);
  for (unsigned i = 0; i < kWaitingSlots; ++i) {
    waiting_[i] = {nullptr, static_cast<uint16_t>(i + 1 < kWaitingSlots ? i + 1 : kNoSlot)};
  }
}

bool NeighborCache::gives_way(const NeighborEntry& entry) const {
  const auto& known = entry.record.own();
  if (known.state == NeighborState::kFree || known.state == NeighborState::kStatic) return false;
  return protected_ == nullptr || !protected_->contains(known.address);
}

NeighborEntry* NeighborCache::insert(uint16_t port, const IpAddress& address, bool is_static, uint32_t now_ms,
                                     Drops& drops) {
  const bool outranks_resolved = is_static || (protected_ != nullptr && protected_->contains(address));
  if (!shorten(bucket_of(port, address), outranks_resolved, now_ms, drops)) return nullptr;
  if (!outranks_resolved && queued_ >= most_unresolved()) recycle_unresolved(nullptr, drops);
  const uint32_t index = allocate(outranks_resolved, now_ms, drops);
  if (index == kNone) return nullptr;
  NeighborEntry& entry = entries_[index];
  uint32_t& bucket = bucket_of(port, address);
  entry.used_ms = entry.confirmed_ms = entry.asked_ms = now_ms;
  entry.next = bucket;
  entry.first_waiting = entry.last_waiting = kNoSlot;
  entry.waiting = entry.attempts = 0;
  entry.asked_all = entry.is_contested = entry.is_kept = entry.is_queued = false;
  entry.record.write({port, address, MacAddress{}, NeighborState::kIncomplete});
  bucket = index;
  size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (!outranks_resolved) enqueue(index);
  return &entry;
}

/// Makes room in a chain that is as long as it may be. False: nobody in it gives way, and the newcomer must.
bool NeighborCache::shorten(uint32_t first, bool outranks_resolved, uint32_t now_ms, Drops& drops) {
  unsigned length = 0;
  uint32_t victim = kNone;
  const auto rank = [&](uint32_t i) {
    return std::pair(entries_[i].record.own().has_mac(), ~(now_ms - entries_[i].used_ms));
  };
  for (uint32_t i = first; i != kNone; i = entries_[i].next, ++length) {
    const bool may_go = gives_way(entries_[i]) && (outranks_resolved || !entries_[i].record.own().has_mac());
    if (may_go && (victim == kNone || rank(i) < rank(victim))) victim = i;
  }
  if (length < kLongestChain) return true;
  if (victim == kNone) return outranks_resolved;
  erase(entries_[victim], drops);
  return true;
}

uint32_t NeighborCache::allocate(bool outranks_resolved, uint32_t now_ms, Drops& drops) {
  const uint32_t touched = touched_.load(std::memory_order_relaxed);
  if (free_ == kNone && touched < capacity_) {
    touched_.store(touched + 1, std::memory_order_release);
    return touched;
  }
  if (free_ == kNone && !recycle_unresolved(nullptr, drops) &&
      !(outranks_resolved && recycle_resolved(now_ms, nullptr, drops))) {
    return kNone;
  }
  const uint32_t index = free_;
  free_ = entries_[index].next;
  return index;
}

/// Lets the unresolved entry go that was asked for first, other than `but`.
bool NeighborCache::recycle_unresolved(const NeighborEntry* but, Drops& drops) {
  for (uint32_t i = oldest_; i != kNone;) {
    NeighborEntry& entry = entries_[i];
    i = entry.newer;
    if (&entry == but) continue;
    if (gives_way(entry)) {
      erase(entry, drops);
      return true;
    }
    dequeue(entry);  // it has become a configured neighbor's
  }
  return false;
}

bool NeighborCache::recycle_resolved(uint32_t now_ms, const NeighborEntry* but, Drops& drops) {
  uint32_t victim = kNone;
  for (unsigned i = 0, sampled = 0; i < capacity_ && sampled < kEvictionSample; ++i) {
    const uint32_t candidate = eviction_cursor_++ & (capacity_ - 1);
    const NeighborEntry& entry = entries_[candidate];
    if (&entry == but || entry.is_queued || !gives_way(entry)) continue;
    ++sampled;
    if (victim == kNone || now_ms - entry.used_ms > now_ms - entries_[victim].used_ms) victim = candidate;
  }
  if (victim == kNone) return false;
  erase(entries_[victim], drops);
  return true;
}

void NeighborCache::settle(NeighborEntry& entry, uint32_t now_ms, Drops& drops) {
  if (!entry.is_queued) return;
  dequeue(entry);
  // What the unresolved may have is kept free of the resolved, so that those never push these out.
  const size_t resolved = size() - queued_;
  if (resolved > capacity_ - most_unresolved()) recycle_resolved(now_ms, &entry, drops);
}

void NeighborCache::erase(NeighborEntry& entry, Drops& drops) {
  if (entry.is_kept) next_version();
  if (entry.is_queued) dequeue(entry);
  while (rte_mbuf* packet = take_waiting(entry))
    drops.drop(packet, DropReason::kNeighborUnresolved, DropDetail::kNeighborSilent);
  const auto known = entry.record.own();
  const uint32_t index = index_of(entry);
  uint32_t* link = &bucket_of(known.port, known.address);
  while (*link != index) link = &entries_[*link].next;
  *link = entry.next;
  entry.record.write({});
  entry.next = free_;
  free_ = index;
  size_.store(size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

void NeighborCache::enqueue(uint32_t index) {
  NeighborEntry& entry = entries_[index];
  entry.is_queued = true;
  entry.older = newest_;
  entry.newer = kNone;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = index;
  newest_ = index;
  ++queued_;
}

void NeighborCache::dequeue(NeighborEntry& entry) {
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  entry.is_queued = false;
  --queued_;
}

bool NeighborCache::keep(NeighborEntry& entry, rte_mbuf* packet, Drops& drops) {
  if (entry.waiting == kMaxWaitingPackets) return false;
  while (free_waiting_ == kNoSlot) {
    if (!recycle_unresolved(&entry, drops)) return false;
  }
  const uint16_t slot = free_waiting_;
  free_waiting_ = waiting_[slot].next;
  waiting_[slot] = {packet, kNoSlot};
  (entry.waiting == 0 ? entry.first_waiting : waiting_[entry.last_waiting].next) = slot;
  entry.last_waiting = slot;
  ++entry.waiting;
  return true;
}

rte_mbuf* NeighborCache::take_waiting(NeighborEntry& entry) {
  if (entry.waiting == 0) return nullptr;
  const uint16_t slot = entry.first_waiting;
  entry.first_waiting = waiting_[slot].next;
  waiting_[slot].next = free_waiting_;
  free_waiting_ = slot;
  --entry.waiting;
  return waiting_[slot].packet;
}

}  // namespace sluice::dataplane
