#include "dataplane/neighbor_cache.h"

#include <algorithm>

namespace sluice::dataplane {
namespace {

constexpr uint16_t kNoSlot = UINT16_MAX;
constexpr unsigned kEvictionSample = 16;

}  // namespace

NeighborCache::NeighborCache(uint32_t capacity)
    : capacity_(capacity), entries_(new NeighborEntry[capacity]), buckets_(new uint32_t[capacity]) {
  std::fill_n(buckets_.get(), capacity, kNone);
  for (unsigned i = 0; i < kWaitingSlots; ++i) {
    waiting_[i] = {nullptr, static_cast<uint16_t>(i + 1 < kWaitingSlots ? i + 1 : kNoSlot)};
  }
}

NeighborEntry* NeighborCache::insert(uint16_t port, const IpAddress& address, uint32_t now_ms, Drops& drops) {
  const uint32_t index = allocate(now_ms, drops);
  if (index == kNone) return nullptr;
  NeighborEntry& entry = entries_[index];
  uint32_t& bucket = bucket_of(port, address);
  entry.used_ms = entry.confirmed_ms = entry.asked_ms = now_ms;
  entry.next = bucket;
  entry.first_waiting = kNoSlot;
  entry.waiting = entry.attempts = 0;
  entry.record.write({port, address, MacAddress{}, NeighborState::kIncomplete});
  bucket = index;
  size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return &entry;
}

uint32_t NeighborCache::allocate(uint32_t now_ms, Drops& drops) {
  if (free_ == kNone) {
    const uint32_t touched = touched_.load(std::memory_order_relaxed);
    if (touched == capacity_) return evict(now_ms, drops);
    touched_.store(touched + 1, std::memory_order_release);
    return touched;
  }
  const uint32_t index = free_;
  free_ = entries_[index].next;
  return index;
}

uint32_t NeighborCache::evict(uint32_t now_ms, Drops& drops) {
  uint32_t victim = kNone;
  for (unsigned i = 0, sampled = 0; i < capacity_ && sampled < kEvictionSample; ++i) {
    const uint32_t candidate = eviction_cursor_++ & (capacity_ - 1);
    if (entries_[candidate].record.own().state == NeighborState::kStatic) continue;
    ++sampled;
    if (victim == kNone || now_ms - entries_[candidate].used_ms > now_ms - entries_[victim].used_ms) {
      victim = candidate;
    }
  }
  if (victim == kNone) return kNone;
  erase(entries_[victim], drops);
  free_ = entries_[victim].next;  // erase() put it at the front of the free list
  return victim;
}

void NeighborCache::erase(NeighborEntry& entry, Drops& drops) {
  next_version();
  while (rte_mbuf* packet = take_waiting(entry)) drops.drop(packet, DropReason::kNeighborUnresolved);
  const auto known = entry.record.own();
  const auto index = static_cast<uint32_t>(&entry - entries_.get());
  uint32_t* link = &bucket_of(known.port, known.address);
  while (*link != index) link = &entries_[*link].next;
  *link = entry.next;
  entry.record.write({});
  entry.next = free_;
  free_ = index;
  size_.store(size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

bool NeighborCache::keep(NeighborEntry& entry, rte_mbuf* packet) {
  if (entry.waiting == kMaxWaitingPackets || free_waiting_ == kNoSlot) return false;
  const uint16_t slot = free_waiting_;
  free_waiting_ = waiting_[slot].next;
  waiting_[slot] = {packet, kNoSlot};
  uint16_t* link = &entry.first_waiting;
  while (*link != kNoSlot) link = &waiting_[*link].next;
  *link = slot;
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
