// Who has which MAC address, as one worker knows it, and the packets that wait to learn it. One thread
// writes; the control thread may read records. Memory is allocated once.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "common/address.h"
#include "dataplane/base/sequence_locked.h"
#include "dataplane/neighbor/neighbor_record.h"
#include "dataplane/tables/address_set.h"
#include "dataplane/tables/drops.h"
#include "lb/flow_hash.h"

namespace sluice::dataplane {

inline constexpr unsigned kMaxNeighbors = 65536;     ///< per worker
inline constexpr unsigned kMaxWaitingPackets = 128;  ///< per neighbor while it is being resolved

/// One neighbor. What the worker reads for a packet lies in the first cache line.
struct alignas(64) NeighborEntry {
  uint32_t used_ms = 0;       ///< when a packet was last sent to it
  uint32_t confirmed_ms = 0;  ///< when it last answered
  uint32_t asked_ms = 0;      ///< when it was last asked
  uint32_t next = 0;          ///< of the same hash bucket, or of the free list
  uint16_t first_waiting = 0;
  uint16_t last_waiting = 0;
  uint8_t waiting = 0;        ///< packets
  uint8_t attempts = 0;       ///< questions since the last answer
  bool asked_all = false;     ///< the last question went to everybody, not only to whoever had the address
  bool is_contested = false;  ///< somebody claims that the address is elsewhere, and nobody has answered yet
  bool is_kept = false;       ///< its MAC address was given to somebody who keeps it: see version()
  bool is_queued = false;     ///< among the unresolved that give way
  SequenceLocked<NeighborRecord> record;
  uint32_t older = 0;  ///< of the unresolved that give way
  uint32_t newer = 0;

  bool is(uint16_t port, const IpAddress& address) const {
    const auto& known = record.own();
    return known.port == port && known.address == address && known.state != NeighborState::kFree;
  }
};
static_assert(sizeof(NeighborEntry) == 128);

/// A chained hash table over a fixed array of entries. Strangers choose which addresses are looked up, so
/// the hash has a key and chains an end; and whom there is no room for is decided by rank: a neighbor that
/// has not answered gives way first, the oldest question before others; then, to one that has answered, the
/// one unused longest of a few. Static neighbors and protected addresses never give way.
class NeighborCache {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr unsigned kWaitingSlots = 2048;  ///< waiting packets of all neighbors together
  static constexpr unsigned kLongestChain = 16;    ///< but for static and protected ones beyond

  /// `seed` is secret; `capacity` entries, a power of two, at least 16 and at most kMaxNeighbors.
  explicit NeighborCache(uint64_t seed, uint32_t capacity = kMaxNeighbors);

  /// The addresses of configured neighbors (gateways, backends), whose entries never give way. They are read
  /// until the next call; null: none.
  void protect(const AddressSet* addresses) { protected_ = addresses; }

  NeighborEntry* find(uint16_t port, const IpAddress& address) {
    for (uint32_t i = bucket_of(port, address); i != kNone; i = entries_[i].next) {
      if (entries_[i].is(port, address)) return &entries_[i];
    }
    return nullptr;
  }
  /// Adds an entry (kIncomplete) that is not there; `is_static`: the caller makes it kStatic. Whoever gives
  /// way for it loses what waited for it to `drops`. Null where there is nobody that it outranks.
  NeighborEntry* insert(uint16_t port, const IpAddress& address, bool is_static, uint32_t now_ms,
                        Drops& drops);
  /// The entry has got a MAC address: from now on it outranks those without.
  void settle(NeighborEntry& entry, uint32_t now_ms, Drops& drops);
  /// Removes an entry, and drops what waited for it as neighbor_unresolved.
  void erase(NeighborEntry& entry, Drops& drops);

  /// Keeps a packet until the entry is resolved or erased; false: no room, nor anybody who gives way.
  bool keep(NeighborEntry& entry, rte_mbuf* packet, Drops& drops);
  /// The packet that has waited longest, or null.
  rte_mbuf* take_waiting(NeighborEntry& entry);

  /// Never 0. Whoever keeps what he took from an entry (and marked it is_kept) may rely on it as long as
  /// this stays the same.
  uint32_t version() const { return version_; }
  void next_version() { version_ += version_ == UINT32_MAX ? 2 : 1; }

  /// Entries [0, touched()) have been in use at some time; for walks and for snapshots.
  uint32_t touched() const { return touched_.load(std::memory_order_acquire); }
  NeighborEntry& at(uint32_t index) { return entries_[index]; }
  const NeighborEntry& at(uint32_t index) const { return entries_[index]; }
  size_t size() const { return size_.load(std::memory_order_relaxed); }
  /// How many unresolved entries of strangers there may be.
  uint32_t most_unresolved() const { return capacity_ / 16; }

 private:
  struct WaitingPacket {
    rte_mbuf* packet;
    uint16_t next;
  };
  uint32_t& bucket_of(uint16_t port, const IpAddress& address) {
    const FlowKey key{address, {}, Be16::from_network(port), {}, {}, {}};
    return buckets_[hash_(key) & (capacity_ - 1)];
  }
  uint32_t index_of(const NeighborEntry& entry) const {
    return static_cast<uint32_t>(&entry - entries_.get());
  }
  bool gives_way(const NeighborEntry& entry) const;
  uint32_t allocate(bool outranks_resolved, uint32_t now_ms, Drops& drops);
  bool shorten(uint32_t first, bool outranks_resolved, uint32_t now_ms, Drops& drops);
  bool recycle_unresolved(const NeighborEntry* but, Drops& drops);
  bool recycle_resolved(uint32_t now_ms, const NeighborEntry* but, Drops& drops);
  void enqueue(uint32_t index);
  void dequeue(NeighborEntry& entry);

  const uint32_t capacity_;
  const lb::FlowHash hash_;
  const std::unique_ptr<NeighborEntry[]> entries_;
  const std::unique_ptr<uint32_t[]> buckets_;
  const AddressSet* protected_ = nullptr;
  uint32_t version_ = 1;
  uint32_t free_ = kNone;
  uint32_t eviction_cursor_ = 0;
  uint32_t oldest_ = kNone;  ///< of the unresolved that give way
  uint32_t newest_ = kNone;
  uint32_t queued_ = 0;
  std::atomic<uint32_t> touched_{0};
  std::atomic<uint32_t> size_{0};
  uint16_t free_waiting_ = 0;
  std::array<WaitingPacket, kWaitingSlots> waiting_;
};

}  // namespace sluice::dataplane
