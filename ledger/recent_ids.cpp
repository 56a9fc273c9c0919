#include "ledger/recent_ids.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "common/bytes.h"
#include "common/check.h"

namespace sluice::ledger {
namespace {

constexpr uint64_t kStartBits = 64;

// One word of block starts lies between the newest id and the oldest, so that writing it spoils neither.
uint64_t ring_size(uint64_t window, uint64_t most_in_flight) {
  return window + most_in_flight + kStartBits;
}
uint64_t start_words(uint64_t ring) {
  return ring / kStartBits + 1;
}
uint64_t bucket_bytes(uint64_t ring) {
  return PositionTable::buckets_for(ring) * sizeof(BucketWords);
}

}  // namespace

size_t RecentIds::bytes_needed(Capacity capacity) {
  const uint64_t ring = ring_size(capacity.window, capacity.most_in_flight);
  return bucket_bytes(ring) + ring * sizeof(Key) + start_words(ring) * sizeof(Starts);
}

RecentIds::RecentIds(Capacity capacity, std::span<std::byte> memory, WindowSeed seed)
    : capacity_(capacity),
      ring_size_(ring_size(capacity.window, capacity.most_in_flight)),
      seed_(seed),
      table_({reinterpret_cast<BucketWords*>(memory.data()), PositionTable::buckets_for(ring_size_)},
             ring_size_) {
  std::byte* at = memory.data() + bucket_bytes(ring_size_);
  starts_ = {reinterpret_cast<Starts*>(at), start_words(ring_size_)};
  at += starts_.size_bytes();
  ids_ = {reinterpret_cast<Key*>(at), ring_size_};
  std::memset(ids_.data(), 0, ids_.size_bytes());  // else the first round through it waits for pages
  restart(0, 0);
}

void RecentIds::restart(uint64_t next_index, uint64_t next_block) {
  table_.clear();
  std::memset(starts_.data(), 0, starts_.size_bytes());
  oldest_ = committed_ = next_ = next_index;
  next_position_ = position_of(next_);
  next_block_ = next_block;
  starts_[position_of(next_) / kStartBits].block_before = next_block - 1;
}

uint64_t RecentIds::index_at(uint64_t position) const {
  const uint64_t last = next_ - 1;
  const uint64_t last_position = position_of(last);
  return last -
         (last_position >= position ? last_position - position : last_position + ring_size_ - position);
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
  constexpr uint64_t kAhead = 16;  // the next ones come soon; beyond the end this does nothing
  __builtin_prefetch(ids_.data() + next_position_ + kAhead, 1);
  ids_[next_position_] = key;
  note_start(next_position_, starts_block);
  table_.insert(home, next_position_);
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
    for (uint64_t i = 0; i < count; ++i) table_.remove(homes[i], position_of(oldest_ + i));
    oldest_ += count;
  }
}

void RecentIds::take_back(uint64_t next_index) {
  check(next_index >= committed_, "what is committed is never taken back");
  while (next_ > next_index) {
    --next_;
    next_position_ = (next_position_ == 0 ? ring_size_ : next_position_) - 1;
    table_.remove(home_of(ids_[next_position_]), next_position_);
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
