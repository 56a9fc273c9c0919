// The connection cache: which backend a known flow has. One per worker, which alone touches it.
// Memory is given by the caller (on the worker's NUMA node) and never grows.
#pragma once

#include <emmintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "lb/backend.h"
#include "lb/flow_hash.h"
#include "lb/index_set.h"
#include "lb/service.h"

namespace sluice::lb {

enum class FlowState : uint8_t {
  kFree,
  kEmbryonic,    ///< TCP: only SYNs seen from the client; first to go when room is needed
  kEstablished,  ///< TCP past the handshake, or UDP
  kClosing,      ///< TCP after FIN or RST: a short life
};

using FlowIndex = uint32_t;
inline constexpr FlowIndex kNoFlow = UINT32_MAX;

/// One direction of a flow: exactly one cache line. NAT flows have two entries, each the other's peer;
/// the reply's entry holds the key of packets that come from the backend. Both have the same service,
/// backend, state and FINs; each has its own time.
struct alignas(64) FlowEntry {
  FlowKey key;
  ServiceId service = kNoService;
  BackendId backend = kNoBackend;
  uint32_t last_seen_ms = 0;  ///< wraps after 49 days; compare by subtraction
  FlowIndex peer = kNoFlow;
  Be16 translated_port;  ///< full-nat: the source port towards the backend; gue: the outer one, once known
  uint8_t snat = 0;      ///< full-nat: index into Tables::snat
  uint8_t fin_seen = 0;  ///< bit 0: from the client, bit 1: from the backend
  FlowState state = FlowState::kFree;  ///< FlowTable::set_state() alone writes it
  bool is_reply = false;
  uint8_t unused[2] = {};
};
static_assert(sizeof(FlowEntry) == 64);

/// Set-associative: a bucket is one cache line of tags and indexes, and a key may lie in either of two
/// buckets, the second of which is looked at only where the first has once been full. So a lookup
/// touches two lines, three at worst. Expiry visits a few entries a call.
class FlowTable {
 public:
  struct alignas(64) Bucket {
    static constexpr unsigned kWays = 8;
    std::array<uint16_t, kWays> tag{};  ///< of the hash; 0 is a free way
    std::array<FlowIndex, kWays> index{};
    uint32_t displaced = 0;  ///< entries that would be here, had they not found it full
    uint32_t unused[3] = {};

    /// The ways that have that tag, as bits.
    unsigned ways(uint16_t wanted) const {
      const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(tag.data()));
      const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(wanted)));
      return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
    }
  };
  static_assert(sizeof(Bucket) == 64);

  /// How many buckets a table of `entries` needs (a power of two): at most five ways of eight are used,
  /// where both buckets of a key are next to never full before the table is.
  static size_t buckets_for(size_t entries);
  /// Takes over zeroed or stale memory; entries.size() is the capacity. `seed` keys the hash.
  FlowTable(std::span<FlowEntry> entries, std::span<Bucket> buckets, uint64_t seed);

  uint64_t hash(const FlowKey& key) const { return hash_(key); }
  const FlowHash& hash() const { return hash_; }
  void prefetch_bucket(uint64_t hash) const { __builtin_prefetch(&buckets_[first_bucket(hash)]); }
  /// The entry that the tags of a hash's buckets point at, or null: if any entry has the hash's key, then all
  /// but always this (another may have the same tag). Call it some packets after prefetch_bucket(); it fetches
  /// the entry's memory, which the caller compares some packets later.
  FlowEntry* candidate(uint64_t hash);
  /// Fetches the memory of a NAT flow's other entry. Any entry will do, used or not.
  void prefetch_peer(const FlowEntry& entry) const { __builtin_prefetch(entries_.data() + entry.peer); }

  /// The entry of that key, or null. `hash` is hash(key) here and below.
  FlowEntry* find(const FlowKey& key, uint64_t hash);

  /// Whom insert() may evict when the table or both buckets are full. An embryonic flow goes first, then
  /// a closing one; of full buckets the one longest idle, of a full table the next after the last evicted,
  /// so that floods recycle their own entries, oldest first.
  enum class Eviction : uint8_t {
    kShortLived,  ///< those or nobody: then insert() returns null
    kOldest,      ///< failing them, the longest idle of a few: NAT cannot forward without an entry
  };
  /// Adds a key that is not there, in that state. Other fields are reset. The evicted
  /// entry's peer goes too, and on_evict(entry) is called before, for its counters. The entry `keep` is
  /// not evicted. Null: full, to be counted, never a drop by itself.
  template <typename OnEvict>
  FlowEntry* insert(const FlowKey& key, uint64_t hash, FlowState state, uint32_t now_ms, Eviction eviction,
                    OnEvict&& on_evict, FlowIndex keep = kNoFlow) {
    Bucket* bucket = bucket_with_room(hash);
    if (free_ == kNoFlow || bucket == nullptr) {
      const Request request{now_ms, eviction, keep};
      const FlowIndex victim = bucket == nullptr ? victim_in_buckets(hash, request) : victim_of_all(request);
      if (victim == kNoFlow) return nullptr;
      on_evict(entries_[victim]);
      erase(entries_[victim]);
      bucket = bucket_with_room(hash);
    }
    return &occupy(*bucket, key, hash, state, now_ms);
  }
  /// Removes an entry and its peer.
  void erase(FlowEntry& entry);

  /// Changes the state of an entry, not of its peer.
  void set_state(FlowEntry& entry, FlowState state);
  /// How long neither direction of a flow has been seen.
  uint32_t idle_ms(const FlowEntry& entry, uint32_t now_ms) const;

  FlowIndex index_of(const FlowEntry& entry) const {
    return static_cast<FlowIndex>(&entry - entries_.data());
  }
  FlowEntry& at(FlowIndex index) { return entries_[index]; }
  const FlowEntry& at(FlowIndex index) const { return entries_[index]; }
  size_t size() const { return used_; }
  size_t capacity() const { return entries_.size(); }

 private:
  struct Request {
    uint32_t now_ms;
    Eviction eviction;
    FlowIndex keep;
  };
  class Victim;

  // Three separate parts of the hash: bits 0..23 the first bucket, 24..47 the second, 48..63 the tag.
  size_t first_bucket(uint64_t hash) const { return hash & (buckets_.size() - 1); }
  size_t second_bucket(uint64_t hash) const { return hash >> 24 & (buckets_.size() - 1); }
  static uint16_t tag_of(uint64_t hash) {
    const auto tag = static_cast<uint16_t>(hash >> 48);
    return tag != 0 ? tag : 1;
  }

  FlowEntry* find_in(const Bucket& bucket, uint16_t tag, const FlowKey& key);
  Bucket* bucket_with_room(uint64_t hash);
  FlowEntry& occupy(Bucket& bucket, const FlowKey& key, uint64_t hash, FlowState state, uint32_t now_ms);
  void remove_one(FlowEntry& entry);
  FlowIndex victim_in_buckets(uint64_t hash, const Request& request) const;
  FlowIndex victim_of_all(const Request& request);
  FlowIndex next_in(const IndexSet& set, FlowIndex keep) const;
  IndexSet* set_of(FlowState state);

  std::span<FlowEntry> entries_;
  std::span<Bucket> buckets_;
  FlowHash hash_;
  IndexSet embryonic_;
  IndexSet closing_;
  size_t used_ = 0;
  FlowIndex free_ = kNoFlow;  ///< list through FlowEntry::peer
  FlowIndex hand_ = 0;        ///< where the search for a victim in a full table goes on
};

inline FlowEntry* FlowTable::candidate(uint64_t hash) {
  const Bucket* bucket = &buckets_[first_bucket(hash)];
  unsigned ways = bucket->ways(tag_of(hash));
  if (ways == 0 && bucket->displaced != 0) {
    bucket = &buckets_[second_bucket(hash)];
    ways = bucket->ways(tag_of(hash));
  }
  if (ways == 0) return nullptr;
  FlowEntry* const entry = &entries_[bucket->index[static_cast<size_t>(std::countr_zero(ways))]];
  __builtin_prefetch(entry, 1);
  return entry;
}

inline FlowEntry* FlowTable::find_in(const Bucket& bucket, uint16_t tag, const FlowKey& key) {
  for (unsigned ways = bucket.ways(tag); ways != 0; ways &= ways - 1) {
    FlowEntry& entry = entries_[bucket.index[static_cast<size_t>(std::countr_zero(ways))]];
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

inline FlowEntry* FlowTable::find(const FlowKey& key, uint64_t hash) {
  const Bucket& first = buckets_[first_bucket(hash)];
  FlowEntry* const found = find_in(first, tag_of(hash), key);
  if (found != nullptr || first.displaced == 0) return found;
  return find_in(buckets_[second_bucket(hash)], tag_of(hash), key);
}

inline uint32_t FlowTable::idle_ms(const FlowEntry& entry, uint32_t now_ms) const {
  const uint32_t own = now_ms - entry.last_seen_ms;
  if (entry.peer == kNoFlow) return own;
  const uint32_t others = now_ms - entries_[entry.peer].last_seen_ms;
  return own < others ? own : others;
}

}  // namespace sluice::lb
