// Who has which MAC address, as one worker knows it, and the packets that wait to learn it. One thread
// writes; the control thread may read records. Memory is allocated once.
#pragma once

#include <nmmintrin.h>
#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/address.h"
#include "dataplane/drops.h"
#include "dataplane/sequence_locked.h"

namespace sluice::dataplane {

inline constexpr unsigned kMaxNeighbors = 65536;   ///< per worker; one that is long unused gives way
inline constexpr unsigned kMaxWaitingPackets = 8;  ///< per neighbor while it is being resolved

enum class NeighborState : uint8_t { kFree, kIncomplete, kReachable, kStale, kStatic };

/// What is known of a neighbor.
struct NeighborRecord {
  uint16_t port;
  IpAddress address;
  MacAddress mac;
  NeighborState state;

  bool has_mac() const { return state >= NeighborState::kReachable; }
};

/// One neighbor. What the worker reads for a packet lies in the first cache line.
struct alignas(64) NeighborEntry {
  uint32_t used_ms = 0;       ///< when a packet was last sent to it
  uint32_t confirmed_ms = 0;  ///< when it last answered
  uint32_t asked_ms = 0;      ///< when it was last asked
  uint32_t next = 0;          ///< of the same hash bucket, or of the free list
  uint16_t first_waiting = 0;
  uint8_t waiting = 0;   ///< packets
  uint8_t attempts = 0;  ///< questions since the last answer
  SequenceLocked<NeighborRecord> record;

  bool is(uint16_t port, const IpAddress& address) const {
    const auto& known = record.own();
    return known.port == port && known.address == address && known.state != NeighborState::kFree;
  }
};
static_assert(sizeof(NeighborEntry) == 128);

/// A chained hash table over a fixed array of entries.
class NeighborCache {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr unsigned kWaitingSlots = 1024;  ///< waiting packets of all neighbors together

  /// `capacity` entries, a power of two of at most kMaxNeighbors.
  explicit NeighborCache(uint32_t capacity = kMaxNeighbors);

  NeighborEntry* find(uint16_t port, const IpAddress& address) {
    for (uint32_t i = bucket_of(port, address); i != kNone; i = entries_[i].next) {
      if (entries_[i].is(port, address)) return &entries_[i];
    }
    return nullptr;
  }
  /// Adds an entry (kIncomplete) that is not there. Where the cache is full, the longest unused of a few
  /// that are not static gives way, and what waited for it is put before `drops`; null where all are
  /// static.
  NeighborEntry* insert(uint16_t port, const IpAddress& address, uint32_t now_ms, Drops& drops);
  /// Removes an entry, and drops what waited for it as neighbor_unresolved.
  void erase(NeighborEntry& entry, Drops& drops);

  /// Keeps a packet until the entry is resolved or erased; false: no room.
  bool keep(NeighborEntry& entry, rte_mbuf* packet);
  /// The packet that has waited longest, or null.
  rte_mbuf* take_waiting(NeighborEntry& entry);

  /// Never 0. Whoever keeps what he took from an entry may rely on it as long as this stays the same.
  uint32_t version() const { return version_; }
  void next_version() { version_ += version_ == UINT32_MAX ? 2 : 1; }

  /// Entries [0, touched()) have been in use at some time; for walks and for snapshots.
  uint32_t touched() const { return touched_.load(std::memory_order_acquire); }
  NeighborEntry& at(uint32_t index) { return entries_[index]; }
  const NeighborEntry& at(uint32_t index) const { return entries_[index]; }
  size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  struct WaitingPacket {
    rte_mbuf* packet;
    uint16_t next;
  };
  uint32_t& bucket_of(uint16_t port, const IpAddress& address) {
    uint64_t hash = _mm_crc32_u64(port, load<uint64_t>(address.bytes().data()));
    hash = _mm_crc32_u64(hash, load<uint64_t>(address.bytes().data() + 8));
    return buckets_[hash & (capacity_ - 1)];
  }
  uint32_t allocate(uint32_t now_ms, Drops& drops);
  uint32_t evict(uint32_t now_ms, Drops& drops);

  const uint32_t capacity_;
  const std::unique_ptr<NeighborEntry[]> entries_;
  const std::unique_ptr<uint32_t[]> buckets_;
  uint32_t version_ = 1;
  uint32_t free_ = kNone;
  uint32_t eviction_cursor_ = 0;
  std::atomic<uint32_t> touched_{0};
  std::atomic<uint32_t> size_{0};
  uint16_t free_waiting_ = 0;
  std::array<WaitingPacket, kWaitingSlots> waiting_;
};

}  // namespace sluice::dataplane
