#include "ledger/recent_ids.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "common/bytes.h"
#include "common/check.h"

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
  // One store: of what is stored in pieces, a load of several has to wait until all that was stored before
  // has reached the cache.
  const __m256i mark =
      _mm256_set_epi64x(static_cast<int64_t>(uint64_t{static_cast<uint8_t>(profile)} << 56), 0, 0, 0);
  Key key;
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(key.data()),
      _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(txid.data())), mark));
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
  std::memset(ids_.data(), 0, ids_.size_bytes());  // else the first round through it waits for pages
  restart(0, 0);
}

void RecentIds::restart(uint64_t next_index, uint64_t next_block) {
  std::memset(buckets_.data(), 0, buckets_.size_bytes());
  std::memset(starts_.data(), 0, starts_.size_bytes());
  oldest_ = committed_ = next_ = next_index;
  next_position_ = position_of(next_);
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

std::optional<uint64_t> RecentIds::find(const Key& key, const Home& home) const {
  for (uint64_t i = home.bucket;; i = i + 1 == bucket_count_ ? 0 : i + 1) {
    const Bucket& bucket = buckets_[i];
    for (uint32_t found = slots_equal(bucket.words, ~position_mask(), home.tag); found != 0;
         found &= found - 1) {
      const uint32_t position = bucket.words[std::countr_zero(found)] & position_mask();
      if (ids_[position] == key) return index_at(position);
    }
    if (bucket.overflowed() == 0) return std::nullopt;
  }
}

void RecentIds::insert(const Home& home, uint64_t position) {
  for (uint64_t i = home.bucket;; i = i + 1 == bucket_count_ ? 0 : i + 1) {
    Bucket& bucket = buckets_[i];
    const uint32_t free = slots_equal(bucket.words, UINT32_MAX, 0);
    if (free != 0) {
      bucket.words[std::countr_zero(free)] = home.tag | static_cast<uint32_t>(position);
      return;
    }
    ++bucket.overflowed();
  }
}

void RecentIds::remove(const Home& home, uint64_t position) {
  const uint32_t value = home.tag | static_cast<uint32_t>(position);
  for (uint64_t i = home.bucket;; i = i + 1 == bucket_count_ ? 0 : i + 1) {
    Bucket& bucket = buckets_[i];
    const uint32_t found = slots_equal(bucket.words, UINT32_MAX, value);
    if (found != 0) {
      bucket.words[std::countr_zero(found)] = 0;
      return;
    }
    check(bucket.overflowed() != 0, "an id of the window is in the bucket of its home or behind it");
    --bucket.overflowed();
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

void RecentIds::append(const Key& key, const Home& home, bool starts_block) {
  check(has_room(), "no more ids are in flight than the window has room for");
  ids_[next_position_] = key;
  note_start(next_position_, starts_block);
  insert(home, next_position_);
  ++next_;
  next_position_ = next_position_ + 1 == ring_size_ ? 0 : next_position_ + 1;
}

void RecentIds::commit(uint64_t tree_size) {
  constexpr uint64_t kTogether = 32;  // enough removals to hide a cache miss
  check(tree_size >= committed_ && tree_size <= next_, "what was appended is committed, in order");
  committed_ = tree_size;
  while (committed_ - oldest_ > capacity_.window) {
    const uint64_t count = std::min(committed_ - oldest_ - capacity_.window, kTogether);
    std::array<Home, kTogether> homes;
    for (uint64_t i = 0; i < count; ++i) {
      homes[i] = home_of(ids_[position_of(oldest_ + i)]);
      prefetch(homes[i]);
    }
    for (uint64_t i = 0; i < count; ++i) remove(homes[i], position_of(oldest_ + i));
    oldest_ += count;
  }
}

void RecentIds::take_back(uint64_t next_index) {
  check(next_index >= committed_, "what is committed is never taken back");
  while (next_ > next_index) {
    --next_;
    next_position_ = (next_position_ == 0 ? ring_size_ : next_position_) - 1;
    remove(home_of(ids_[next_position_]), next_position_);
    const uint64_t bit = uint64_t{1} << next_position_ % kStartBits;
    if ((starts_[next_position_ / kStartBits].bits & bit) != 0) --next_block_;
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
