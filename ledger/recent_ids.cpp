#include "ledger/recent_ids.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/bytes.h"

namespace sluice::ledger {
namespace {

constexpr uint64_t kIdsPerBucket = 9;  // of 15 slots: one bucket in fifty overflows
constexpr uint64_t kStartBits = 64;

// One word of block starts lies between the newest id and the oldest, so that writing it spoils neither.
uint64_t ring_size(uint64_t window, uint64_t most_in_flight) {
  return window + most_in_flight + kStartBits;
}
uint64_t bucket_count(uint64_t ring) {
  return ring / kIdsPerBucket + 2;
}
uint64_t start_words(uint64_t ring) {
  return ring / kStartBits + 1;
}

}  // namespace

RecentIds::Key RecentIds::key_of(const crypto::Digest& txid, Profile profile) {
  Key key = txid;
  key.back() ^= static_cast<uint8_t>(profile);
  return key;
}

size_t RecentIds::bytes_needed(Capacity capacity) {
  const uint64_t ring = ring_size(capacity.window, capacity.most_in_flight);
  return bucket_count(ring) * sizeof(Bucket) + ring * sizeof(Key) + start_words(ring) * sizeof(Starts);
}

RecentIds::RecentIds(Capacity capacity, std::span<std::byte> memory, WindowSeed seed)
    : capacity_(capacity),
      ring_size_(ring_size(capacity.window, capacity.most_in_flight)),
      bucket_count_(bucket_count(ring_size_)),
      position_bits_(static_cast<unsigned>(std::bit_width(ring_size_ - 1))),
      seed_(seed) {
  std::byte* at = memory.data();
  buckets_ = {reinterpret_cast<Bucket*>(at), bucket_count_};
  at += buckets_.size_bytes();
  starts_ = {reinterpret_cast<Starts*>(at), start_words(ring_size_)};
  at += starts_.size_bytes();
  ids_ = {reinterpret_cast<Key*>(at), ring_size_};
  restart(0, 0);
}

void RecentIds::restart(uint64_t next_index, uint64_t next_block) {
  std::memset(buckets_.data(), 0, buckets_.size_bytes());
  std::memset(starts_.data(), 0, starts_.size_bytes());
  oldest_ = committed_ = next_ = next_index;
  next_block_ = next_block;
  starts_[position_of(next_) / kStartBits].block_before = next_block - 1;
}

// NH (Black et al., UMAC, 1999) of the id's first 16 bytes: universal over the secret seed.
RecentIds::Home RecentIds::home_of(const Key& key) const {
  const uint64_t low = load<uint64_t>(key.data()) + seed_.low;
  const uint64_t high = load<uint64_t>(key.data() + 8) + seed_.high;
  const unsigned __int128 product = static_cast<unsigned __int128>(low) * high;
  const uint64_t hash = static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
  const uint32_t tag = static_cast<uint32_t>(hash) >> position_bits_;
  return {static_cast<uint64_t>(static_cast<unsigned __int128>(hash) * bucket_count_ >> 64),
          std::max(tag, 1u) << position_bits_};
}

uint64_t RecentIds::index_at(uint64_t position) const {
  const uint64_t last = next_ - 1;
  const uint64_t last_position = position_of(last);
  return last -
         (last_position >= position ? last_position - position : last_position + ring_size_ - position);
}

void RecentIds::prefetch(const Key& key) const {
  __builtin_prefetch(&buckets_[home_of(key).bucket]);
}

std::optional<uint64_t> RecentIds::find(const Key& key) const {
  const Home home = home_of(key);
  const uint32_t position_mask = (1u << position_bits_) - 1;
  for (uint64_t i = home.bucket;; i = i + 1 == bucket_count_ ? 0 : i + 1) {
    const Bucket& bucket = buckets_[i];
    uint32_t candidates = 0;
    for (unsigned slot = 0; slot < kSlots; ++slot)
      candidates |= static_cast<uint32_t>((bucket.slots[slot] & ~position_mask) == home.tag) << slot;
    for (; candidates != 0; candidates &= candidates - 1) {
      const uint32_t position = bucket.slots[std::countr_zero(candidates)] & position_mask;
      if (ids_[position] == key) return index_at(position);
    }
    if (bucket.overflowed == 0) return std::nullopt;
  }
}

void RecentIds::insert(const Key& key, uint64_t position) {
  const Home home = home_of(key);
  for (uint64_t i = home.bucket;; i = i + 1 == bucket_count_ ? 0 : i + 1) {
    Bucket& bucket = buckets_[i];
    uint32_t* const free = std::find(bucket.slots, bucket.slots + kSlots, 0u);
    if (free != bucket.slots + kSlots) {
      *free = home.tag | static_cast<uint32_t>(position);
      return;
    }
    ++bucket.overflowed;
  }
}

void RecentIds::remove(uint64_t position) {
  const Home home = home_of(ids_[position]);
  const uint32_t value = home.tag | static_cast<uint32_t>(position);
  for (uint64_t i = home.bucket;; i = i + 1 == bucket_count_ ? 0 : i + 1) {
    Bucket& bucket = buckets_[i];
    uint32_t* const found = std::find(bucket.slots, bucket.slots + kSlots, value);
    if (found != bucket.slots + kSlots) {
      *found = 0;
      return;
    }
    --bucket.overflowed;
  }
}

void RecentIds::note_start(uint64_t position, bool starts_block) {
  Starts& starts = starts_[position / kStartBits];
  const uint64_t bit = uint64_t{1} << position % kStartBits;
  // The numbers before block 0 wrap around; sums with them come out right.
  if (bit == 1) starts = {0, next_block_ - 1};
  starts.bits &= bit - 1;  // what lies above is left from the last time round
  if (starts_block) {
    starts.bits |= bit;
    ++next_block_;
  }
}

void RecentIds::append(const Key& key, bool starts_block) {
  const uint64_t position = position_of(next_);
  ids_[position] = key;
  note_start(position, starts_block);
  insert(key, position);
  ++next_;
}

void RecentIds::commit(uint64_t tree_size) {
  constexpr uint64_t kAhead = 16;  // enough removals to hide a cache miss
  committed_ = tree_size;
  for (; committed_ - oldest_ > capacity_.window; ++oldest_) {
    prefetch(ids_[position_of(oldest_ + kAhead)]);  // any memory of the ring will do: it is only a hint
    remove(position_of(oldest_));
  }
}

void RecentIds::take_back(uint64_t next_index) {
  while (next_ > next_index) {
    const uint64_t position = position_of(--next_);
    remove(position);
    const uint64_t bit = uint64_t{1} << position % kStartBits;
    if ((starts_[position / kStartBits].bits & bit) != 0) --next_block_;
  }
}

RecentIds::Place RecentIds::place_of(uint64_t index) const {
  const uint64_t position = position_of(index);
  const Starts& starts = starts_[position / kStartBits];
  const uint64_t up_to = (uint64_t{2} << position % kStartBits) - 1;
  Place place{starts.block_before + static_cast<uint64_t>(std::popcount(starts.bits & up_to)), index + 1};
  while (place.tree_size < committed_) {
    const uint64_t next = position_of(place.tree_size);
    const uint64_t later = starts_[next / kStartBits].bits >> next % kStartBits;
    // A word ends where the ring does, too.
    const uint64_t word_left = std::min(kStartBits - next % kStartBits, ring_size_ - next);
    if (later != 0 && static_cast<uint64_t>(std::countr_zero(later)) < word_left)
      return {place.block, std::min(place.tree_size + std::countr_zero(later), committed_)};
    place.tree_size += word_left;
  }
  place.tree_size = committed_;
  return place;
}

}  // namespace sluice::ledger
