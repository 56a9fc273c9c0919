// The connection cache: which backend a known flow has. One per worker, which alone touches it.
// Memory is given by the caller (on the worker's NUMA node) and never grows.
#pragma once

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "common/check.h"
#include "common/flow_key.h"
#include "lb/displaced.h"
#include "lb/flow_entry.h"
#include "lb/flow_hash.h"
#include "lb/index_set.h"

namespace sluice::lb {

/// Set-associative: a bucket is one cache line of tags and indexes, and a key may lie in either of two
/// buckets, the second of which is looked at only where the first has been full. So a lookup
/// touches two lines, three at worst. Where both are full, an entry is moved to its other bucket. Buckets
/// come into use one by one as entries come, each splitting another (linear hashing: Litwin, 1980), so that
/// few flows lie in few pages of memory. Expiry visits a few entries a call.
class FlowTable {
 public:
  struct alignas(64) Bucket {
    static constexpr unsigned kWays = 8;
    std::array<uint16_t, kWays> tag{};  ///< of the hash; 0 is a free way
    std::array<FlowIndex, kWays> index{};
    Displaced displaced;  ///< entries that have this as their first bucket and lie in their second

    /// The ways that have that tag, as bits.
    unsigned ways(uint16_t wanted) const {
      return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal(wanted), _mm_setzero_si128())));
    }
    bool is_full() const { return ways(0) == 0; }
    /// The same, two bits for each way.
    uint32_t twin_ways(uint16_t wanted) const {
      return static_cast<uint32_t>(_mm_movemask_epi8(equal(wanted)));
    }
    /// The index of the first way of some, two bits for each.
    FlowIndex first_of(uint32_t twin_ways) const {
      const size_t bytes = sizeof(FlowIndex) / 2 * static_cast<size_t>(std::countr_zero(twin_ways));
      return load<FlowIndex>(reinterpret_cast<const uint8_t*>(index.data()) + bytes);
    }

   private:
    __m128i equal(uint16_t wanted) const {
      const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(tag.data()));
      return _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(wanted)));
    }
  };
  static constexpr int kPlaceShift = 6;
  static_assert(sizeof(Bucket) == 1 << kPlaceShift);

  /// How many buckets a table of `entries` can use: one for kFill entries, and no more than have a place.
  static size_t buckets_for(size_t entries);
  /// Takes over zeroed or stale memory; entries.size() is the capacity. `addresses6` are as many, and are
  /// touched where entries are of flows over IPv6. `seed` keys the hash.
  FlowTable(std::span<FlowEntry> entries, std::span<Addresses6> addresses6, std::span<Bucket> buckets,
            uint64_t seed);

  uint64_t hash(const FlowKey& key) const {
    if (!key.source.is_v4()) return hash_(key);
    return hash_.hash_v4(key.source.as_v4().network(), key.destination.as_v4().network(),
                         load<uint32_t>(&key.source_port), static_cast<uint8_t>(key.protocol));
  }
  const FlowHash& hash() const { return hash_; }
  void prefetch_bucket(uint64_t hash) const { __builtin_prefetch(&buckets_[first_bucket(hash)]); }
  /// The entry that the tags of a hash's buckets point at, or null: if any entry has the hash's key, then all
  /// but always this (another may have the same tag). Call it some packets after prefetch_bucket(); it
  /// fetches the entry's memory, which the caller compares some packets later.
  FlowEntry* candidate(uint64_t hash) {
    const Bucket& bucket = buckets_[first_bucket(hash)];
    const uint32_t ways = bucket.twin_ways(tag_of(hash));
    FlowEntry* const entry = ways != 0 ? &entries_[bucket.first_of(ways)] : displaced_candidate(bucket, hash);
    if (entry != nullptr) __builtin_prefetch(entry, 1);
    return entry;
  }
  /// Fetches the first buckets of eight hashes, and says where they are.
  void prefetch_buckets(std::span<const uint64_t, 8> hashes, std::span<uint32_t, 8> places) const;
  /// The candidates() of eight hashes whose first buckets have these places; `nobody` for those that have
  /// none.
  void candidates(std::span<const uint64_t, 8> hashes, std::span<const uint32_t, 8> places, FlowEntry& nobody,
                  std::span<FlowEntry*, 8> found);
  /// Fetches the addresses of a flow that may be over IPv6. Any entry will do, used or not, or of no table.
  void prefetch_addresses6(const FlowEntry& entry) const { __builtin_prefetch(&addresses6(entry)); }

  /// The entry of that key, or null. `hash` is hash(key) here and below.
  FlowEntry* find(const FlowKey& key, uint64_t hash);

  /// Whom an insertion may evict when the table or both buckets are full. Flows give way in the order of
  /// their states, but none takes the last places of a state before kAnswered as long as a later one of these
  /// has more (kReserve), so that a flood of one kind leaves newcomers of another the time to be answered. Of
  /// one state, those that came first and have been idle longest go first.
  enum class Eviction : uint8_t {
    kUnanswered,  ///< those, and closing ones, or nobody: then the insertion returns null
    kAnyone,      ///< failing them, the longest idle of a few: NAT cannot forward without an entry
  };
  /// Adds a key that is not there, in that state. Other fields are reset. An evicted entry's peer goes too,
  /// and on_evict(entry) is called before, for its counters. Null: full, to be counted, never a drop by
  /// itself.
  template <typename OnEvict>
  FlowEntry* insert(const FlowKey& key, uint64_t hash, FlowState state, uint32_t now_ms, Eviction eviction,
                    OnEvict&& on_evict) {
    Bucket* const bucket = make_room(hash, {now_ms, eviction, kNoFlow}, on_evict);
    return bucket != nullptr ? &occupy(*bucket, key, hash, state, now_ms) : nullptr;
  }
  /// Adds the other entry of a NAT flow, for its replies, and joins the two. Null: full, as above; the flow
  /// is as it was.
  template <typename OnEvict>
  FlowEntry* insert_reply(FlowEntry& request, const FlowKey& key, uint64_t hash, uint32_t now_ms,
                          Eviction eviction, OnEvict&& on_evict) {
    Bucket* const bucket = make_room(hash, {now_ms, eviction, index_of(request)}, on_evict);
    return bucket != nullptr ? &occupy_reply(*bucket, request, key, hash, now_ms) : nullptr;
  }
  /// Removes an entry and its peer.
  void erase(FlowEntry& entry);

  /// Changes the state of a flow, and what has ended it, in both its entries.
  void set_state(FlowEntry& entry, FlowState state, uint8_t ended);
  /// Changes which packets of a flow are to be seen, in both its entries.
  void set_watch(FlowEntry& entry, FlowWatch watch);
  /// Changes whether the next payload of one entry's packets is to be noticed.
  static void set_timed(FlowEntry& entry, bool is_timed);
  /// Whether what neither begins nor ends anything changes no state of an entry: FlowEntry::is_settled, but
  /// for who watches the flow.
  static bool is_steady(const FlowEntry& entry);
  /// Whether a flow whose backend is not seen has gone on for longer than a round trip takes (a second), and
  /// is to be taken for answered. Those that began with a SYN must have gone on after it.
  static bool has_lasted(const FlowEntry& entry);
  /// Takes a flow for answered.
  void confirm(FlowEntry& entry) {
    set_state(entry, entry.is_closed() ? FlowState::kClosing : FlowState::kEstablished, entry.ended);
  }
  /// How long neither direction of a flow has been seen.
  uint32_t idle_ms(const FlowEntry& entry, uint32_t now_ms) const;

  /// The key of the packets of an entry that is used.
  FlowKey key_of(const FlowEntry& entry) const;
  /// hash() of it.
  uint64_t hash_of(const FlowEntry& entry) const;
  /// Where they come from. Made where it is wanted: who copies a key's waits for its halves to be stored.
  IpAddress source_of(const FlowEntry& entry) const {
    return entry.key.is_v4() ? IpAddress::v4(entry.key.source) : addresses6(entry).source;
  }
  /// The key that translation gives them. `entry` is of a NAT flow.
  FlowKey translated_key_of(const FlowEntry& entry) const { return key_of(at(entry.peer)).reversed(); }
  IpAddress translated_destination_of(const FlowEntry& entry) const {
    return entry.key.is_v4() ? IpAddress::v4(entry.rewrite.destination) : addresses6(entry).new_destination;
  }
  /// Whether an entry that is used has that key.
  bool has_key(const FlowEntry& entry, const FlowKey& key) const {
    return has_key(entry, PackedKey::of(key), key);
  }
  /// The addresses of an entry of a flow over IPv6: they lie as far from the first ones as the entry does.
  const Addresses6& addresses6(const FlowEntry& entry) const {
    static_assert(sizeof(Addresses6) == sizeof(FlowEntry));
    const auto place = [](const void* at) { return reinterpret_cast<uintptr_t>(at); };
    return *reinterpret_cast<const Addresses6*>(place(&entry) +
                                                (place(addresses6_.data()) - place(entries_.data())));
  }

  FlowIndex index_of(const FlowEntry& entry) const {
    return static_cast<FlowIndex>(&entry - entries_.data());
  }
  FlowEntry& at(FlowIndex index) { return entries_[index]; }
  const FlowEntry& at(FlowIndex index) const { return entries_[index]; }
  /// How many entries lie elsewhere that would be in that bucket, at most.
  size_t displaced(const Bucket& bucket) const { return bucket.displaced.count(round_); }
  /// The request's entry of the flow that is likely to be the next to give way, or kNoFlow.
  FlowIndex next_to_yield() const { return next_to_yield_; }
  size_t size() const { return used_; }
  size_t capacity() const { return entries_.size(); }

 private:
  struct Request {
    uint32_t now_ms;
    Eviction eviction;
    FlowIndex keep;
  };
  class Victim;

  /// The coarse clock: eight bits of 128 ms, wrapping after 33 s. expire() looks more often than that.
  static constexpr unsigned kCoarseShift = 7;
  static constexpr uint8_t coarse(uint32_t ms) { return static_cast<uint8_t>(ms >> kCoarseShift); }
  /// RFC 6298, section 2: what a round trip is taken to last at most while none has been measured is 1 s.
  static constexpr uint8_t kLasting = 1024 >> kCoarseShift;
  /// A table that has more entries for each bucket takes another bucket into use, if there is one.
  static constexpr size_t kFill = 2;
  static constexpr size_t kMostBuckets = size_t{1} << (32 - kPlaceShift);

  // Three parts of the hash: from bit 0 the first bucket, from bit 24 the second, which may be the same, from
  // bit 48 the tag. Those of up to 2^24 buckets are separate; of kMostBuckets, neighbors share two bits.
  size_t first_bucket(uint64_t hash) const { return bucket_of(hash); }
  size_t second_bucket(uint64_t hash) const { return bucket_of(hash >> 24); }
  /// Linear hashing: those of 2^n buckets that are not in use yet are still part of those that they split.
  size_t bucket_of(uint64_t part) const {
    const size_t bucket = part & mask_;
    return bucket < in_use_ ? bucket : bucket & mask_ >> 1;
  }
  /// A bucket's place: how many bytes it lies behind the first one. There are at most kMostBuckets.
  static uint32_t place_of(size_t bucket) { return static_cast<uint32_t>(bucket * sizeof(Bucket)); }
  const uint8_t* at_place(uint32_t place) const {
    return reinterpret_cast<const uint8_t*>(buckets_.data()) + place;
  }
  /// Never 0, which is a free way: FlowHash sees to it.
  static uint16_t tag_of(uint64_t hash) { return static_cast<uint16_t>(hash >> 48); }
  /// Whether an entry with that hash, of which this is the first bucket, may lie in the second.
  bool may_be_displaced(const Bucket& first, uint64_t hash) const {
    return first.displaced.may_have(hash, round_);
  }

  /// The flows of one state that give way before others, requests' entries alone, and where the search for
  /// the next goes on. A newcomer gets the entry that the hand has just left: it meets flows in the order of
  /// their arrival.
  struct Yielding {
    explicit Yielding(size_t bound) : members(bound) {}
    void add(FlowIndex index) {
      members.insert(index);
      ++count;
    }
    void remove(FlowIndex index) {
      members.erase(index);
      --count;
    }
    IndexSet members;
    size_t count = 0;
    FlowIndex hand = 0;
  };

  /// hash_of() both entries of a flow, which do not change.
  struct FlowHashes {
    FlowIndex request = kNoFlow;
    uint64_t own = 0, reply = 0;
  };
  /// Field by field: who copies them at once waits for these to be stored.
  void hash_both(const FlowEntry& request, FlowHashes& hashes) const {
    hashes.request = index_of(request);
    hashes.own = hash_of(request);
    hashes.reply = request.peer != kNoFlow ? hash_of(entries_[request.peer]) : 0;
  }
  /// Where those of a flow may be that is expected to go. Neighbors lie one or two apart.
  FlowHashes& expected(FlowIndex request) { return expected_[request / 2 % expected_.size()]; }
  void expect(const FlowEntry& request);
  void prefetch_yielding(FlowIndex index) const;

  template <typename OnEvict>
  Bucket* make_room(uint64_t hash, const Request& request, OnEvict&& on_evict) {
    if (used_ >= kFill * in_use_ && in_use_ != buckets_.size()) grow();
    Bucket* const bucket = bucket_with_room(hash);
    if (free_ != kNoFlow && bucket != nullptr) return bucket;
    const FlowIndex victim = bucket == nullptr ? victim_in_buckets(hash, request) : victim_of_all(request);
    if (victim == kNoFlow) return nullptr;
    on_evict(entries_[victim]);
    erase(entries_[victim]);
    return bucket_with_room(hash);
  }
  bool has_key(const FlowEntry& entry, const PackedKey& packed, const FlowKey& key) const;
  uint64_t hash_v4(const PackedKey& key) const {
    return hash_.hash_v4(key.source.network(), key.destination.network(), load<uint32_t>(&key.source_port),
                         key.protocol_and_family);
  }
  void grow();
  void split(Bucket& from, Bucket& to);
  FlowEntry* displaced_candidate(const Bucket& first, const uint64_t& hash);
  FlowEntry* find_in(const Bucket& bucket, uint16_t tag, const FlowKey& key);
  Bucket* bucket_with_room(uint64_t hash) {
    Bucket& first = buckets_[first_bucket(hash)];
    return first.is_full() ? other_bucket_with_room(hash) : &first;
  }
  Bucket* other_bucket_with_room(uint64_t hash);
  bool move_one_from(Bucket& bucket);
  FlowEntry& take(Bucket& bucket, const FlowKey& key, uint64_t hash, uint32_t now_ms);
  FlowEntry& occupy(Bucket& bucket, const FlowKey& key, uint64_t hash, FlowState state, uint32_t now_ms);
  FlowEntry& occupy_reply(Bucket& bucket, FlowEntry& request, const FlowKey& key, uint64_t hash,
                          uint32_t now_ms);
  void set_rewrites(FlowEntry& request, FlowEntry& reply);
  static void set_progress(FlowEntry& entry, FlowState state, uint8_t ended);
  void remove_one(FlowEntry& entry, uint64_t hash);
  FlowIndex victim_in_buckets(uint64_t hash, const Request& request) const;
  FlowIndex victim_of_all(const Request& request);
  FlowState first_to_yield(FlowState kept) const;
  size_t count_of(FlowState state, FlowState kept) const;
  FlowIndex longest_idle(FlowState state, const Request& request);
  FlowIndex longest_idle_of_any(const Request& request);
  Yielding* yielding(FlowState state);
  static bool is_settled(const FlowEntry& entry);

  std::span<FlowEntry> entries_;
  std::span<Addresses6> addresses6_;  ///< by the entries' indexes
  std::span<Bucket> buckets_;
  size_t in_use_;               ///< buckets
  size_t mask_;                 ///< the least of all ones that is not below their numbers
  bool may_overcount_ = false;  ///< Bucket::displaced, in some buckets that were split
  uint32_t round_ = 0;          ///< how often the table has become empty since; older marks are void
  FlowHash hash_;
  std::array<Yielding, 5> yielding_;  ///< by state, from kStray to kAnswered
  size_t used_ = 0;
  FlowIndex free_ = kNoFlow;  ///< list through FlowEntry::peer
  FlowIndex hand_ = 0;        ///< where the search for a victim among all goes on
  FlowIndex next_to_yield_ = kNoFlow;
  std::array<FlowHashes, 4> expected_;  ///< of who is likely to go next, by expected()
};

[[gnu::always_inline]] inline void FlowTable::prefetch_buckets(std::span<const uint64_t, 8> hashes,
                                                               std::span<uint32_t, 8> places) const {
  const auto all = [](size_t value) { return _mm256_set1_epi32(static_cast<int>(value)); };
  const auto low = load<__m256>(&hashes[0]), high = load<__m256>(&hashes[4]);
  // The lower half of each hash, of which the first bucket is a part; then in their order.
  const __m256i halves = _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0x88));
  const __m256i buckets = _mm256_and_si256(_mm256_permute4x64_epi64(halves, 0xd8), all(mask_));
  const __m256i before_split = _mm256_and_si256(buckets, all(mask_ >> 1));
  const __m256i is_in_use = _mm256_cmpgt_epi32(all(in_use_), buckets);
  store(places.data(), _mm256_slli_epi32(_mm256_blendv_epi8(before_split, buckets, is_in_use), kPlaceShift));
  for (const uint32_t place : places) __builtin_prefetch(at_place(place));
}

/// candidate() of a hash whose first bucket, this one, has nobody with its tag. A reference, so that nobody
/// has the whole hash ready who does not come here, which GCC would make a value otherwise.
[[gnu::noipa]] inline FlowEntry* FlowTable::displaced_candidate(const Bucket& first, const uint64_t& hash) {
  if (!may_be_displaced(first, hash)) return nullptr;
  const Bucket& second = buckets_[second_bucket(hash)];
  const uint32_t ways = second.twin_ways(tag_of(hash));
  return ways != 0 ? &entries_[second.first_of(ways)] : nullptr;
}

[[gnu::always_inline]] inline void FlowTable::candidates(std::span<const uint64_t, 8> hashes,
                                                         std::span<const uint32_t, 8> places,
                                                         FlowEntry& nobody, std::span<FlowEntry*, 8> found) {
  const uint8_t* const buckets = at_place(0);
  FlowEntry* const entries = entries_.data();
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    const Bucket& bucket = *reinterpret_cast<const Bucket*>(buckets + places[i]);
    const uint32_t ways = bucket.twin_ways(tag_of(hashes[i]));
    FlowEntry* entry;
    if (ways != 0) [[likely]] {
      entry = entries + bucket.first_of(ways);
    } else {
      entry = displaced_candidate(bucket, hashes[i]);
      if (entry == nullptr) {
        found[i] = &nobody;  // not fetched for writing: all workers share it
        continue;
      }
    }
    __builtin_prefetch(entry, 1);
    found[i] = entry;
  }
}

inline FlowKey FlowTable::key_of(const FlowEntry& entry) const {
  const PackedKey& key = entry.key;
  FlowKey all{{}, {}, key.source_port, key.destination_port, key.protocol(), {}};
  all.source = key.is_v4() ? IpAddress::v4(key.source) : addresses6(entry).source;
  all.destination = key.is_v4() ? IpAddress::v4(key.destination) : addresses6(entry).destination;
  return all;
}

inline uint64_t FlowTable::hash_of(const FlowEntry& entry) const {
  const PackedKey& key = entry.key;
  return key.is_v4() ? hash_v4(key) : hash_(key_of(entry));
}

inline bool FlowTable::has_key(const FlowEntry& entry, const PackedKey& packed, const FlowKey& key) const {
  if (!(entry.key == packed)) return false;
  if (packed.is_v4()) return true;
  const Addresses6& addresses = addresses6(entry);
  return addresses.source == key.source && addresses.destination == key.destination;
}

inline FlowEntry* FlowTable::find_in(const Bucket& bucket, uint16_t tag, const FlowKey& key) {
  for (unsigned ways = bucket.ways(tag); ways != 0; ways &= ways - 1) {
    FlowEntry& entry = entries_[bucket.index[static_cast<size_t>(std::countr_zero(ways))]];
    if (has_key(entry, key)) return &entry;
  }
  return nullptr;
}

inline FlowEntry* FlowTable::find(const FlowKey& key, uint64_t hash) {
  const Bucket& first = buckets_[first_bucket(hash)];
  FlowEntry* const found = find_in(first, tag_of(hash), key);
  if (found != nullptr || !may_be_displaced(first, hash)) return found;
  return find_in(buckets_[second_bucket(hash)], tag_of(hash), key);
}

inline FlowTable::Yielding* FlowTable::yielding(FlowState state) {
  if (state == FlowState::kFree || state == FlowState::kEstablished) return nullptr;
  return &yielding_[static_cast<size_t>(state) - static_cast<size_t>(FlowState::kStray)];
}

inline bool FlowTable::is_settled(const FlowEntry& entry) {
  const bool is_watched =
      entry.watch >= FlowWatch::kBoth || (entry.watch == FlowWatch::kRequests && !entry.is_reply);
  return is_steady(entry) && !is_watched;
}

/// Where the backend is seen, what it sends first and what the client sends next are to be noticed.
inline bool FlowTable::is_steady(const FlowEntry& entry) {
  constexpr auto bit = [](FlowState state) { return 1u << static_cast<unsigned>(state); };
  constexpr unsigned kOfRequest = bit(FlowState::kEstablished) | bit(FlowState::kStray);
  constexpr unsigned kOfReply = bit(FlowState::kEstablished) | bit(FlowState::kAnswered);
  constexpr unsigned kUnseen = bit(FlowState::kHandshake);
  const unsigned steady = (entry.is_reply ? kOfReply : kOfRequest) | (entry.peer == kNoFlow ? kUnseen : 0);
  return (steady >> static_cast<unsigned>(entry.state) & 1) != 0 && !entry.is_closed() && !entry.is_timed;
}

inline bool FlowTable::has_lasted(const FlowEntry& entry) {
  const bool may_have = entry.state == FlowState::kStray || entry.state == FlowState::kHandshake;
  return may_have && entry.peer == kNoFlow &&
         static_cast<uint8_t>(coarse(entry.last_seen_ms) - entry.begun) >= kLasting;
}

inline uint32_t FlowTable::idle_ms(const FlowEntry& entry, uint32_t now_ms) const {
  const uint32_t own = now_ms - entry.last_seen_ms;
  if (entry.peer == kNoFlow) return own;
  const uint32_t others = now_ms - entries_[entry.peer].last_seen_ms;
  return own < others ? own : others;
}

}  // namespace sluice::lb
