#include "lb/flow_table.h"

#include <algorithm>

namespace sluice::lb {
namespace {

/// Lasting flows looked at for one victim: the bound of an insertion's cost in a full table.
constexpr unsigned kHandSteps = 32;

/// A first bucket that has so many entries sends newcomers to the second, if that has fewer. Lower,
/// lookups look at more second buckets; higher, both are full sooner: at 57 % of all ways with 7, 65 %
/// with 6 (measured with random keys).
constexpr int kCrowded = 6;

int used_ways(const FlowTable::Bucket& bucket) {
  return static_cast<int>(FlowTable::Bucket::kWays) - std::popcount(bucket.ways(0));
}

}  // namespace

/// The best candidate for eviction among those looked at.
class FlowTable::Victim {
 public:
  Victim(const FlowTable& table, const Request& request) : table_(table), request_(request) {}

  void consider(FlowIndex index) {
    const FlowEntry& entry = table_.entries_[index];
    const Rank rank = rank_of(entry.state);
    if (index == request_.keep || rank > worst_allowed()) return;
    const uint32_t idle = table_.idle_ms(entry, request_.now_ms);
    if (index_ != kNoFlow && (rank > rank_ || (rank == rank_ && idle <= idle_))) return;
    index_ = index;
    rank_ = rank;
    idle_ = idle;
  }
  FlowIndex index() const { return index_; }

 private:
  enum class Rank : uint8_t { kEmbryonic, kClosing, kLasting };
  static Rank rank_of(FlowState state) {
    if (state == FlowState::kEmbryonic) return Rank::kEmbryonic;
    return state == FlowState::kClosing ? Rank::kClosing : Rank::kLasting;
  }
  Rank worst_allowed() const {
    return request_.eviction == Eviction::kOldest ? Rank::kLasting : Rank::kClosing;
  }

  const FlowTable& table_;
  const Request& request_;
  FlowIndex index_ = kNoFlow;
  Rank rank_{};
  uint32_t idle_ = 0;
};

size_t FlowTable::buckets_for(size_t entries) {
  return std::bit_ceil((entries + 4) / 5);
}

FlowTable::FlowTable(std::span<FlowEntry> entries, std::span<Bucket> buckets, uint64_t seed)
    : entries_(entries),
      buckets_(buckets),
      hash_(seed),
      embryonic_(entries.size()),
      closing_(entries.size()) {
  std::fill(buckets_.begin(), buckets_.end(), Bucket{});
  for (size_t i = entries_.size(); i-- > 0;) {
    entries_[i] = FlowEntry{};
    entries_[i].peer = free_;
    free_ = static_cast<FlowIndex>(i);
  }
}

FlowTable::Bucket* FlowTable::bucket_with_room(uint64_t hash) {
  Bucket& first = buckets_[first_bucket(hash)];
  const int used = used_ways(first);
  if (used < kCrowded) return &first;
  Bucket& second = buckets_[second_bucket(hash)];
  if (used_ways(second) < used) return &second;
  return used < static_cast<int>(Bucket::kWays) ? &first : nullptr;
}

FlowEntry& FlowTable::occupy(Bucket& bucket, const FlowKey& key, uint64_t hash, FlowState state,
                             uint32_t now_ms) {
  const FlowIndex index = free_;
  FlowEntry& entry = entries_[index];
  free_ = entry.peer;
  entry = FlowEntry{};
  entry.key = key;
  entry.last_seen_ms = now_ms;
  set_state(entry, state);

  const auto way = static_cast<size_t>(std::countr_zero(bucket.ways(0)));
  bucket.tag[way] = tag_of(hash);
  bucket.index[way] = index;
  Bucket& first = buckets_[first_bucket(hash)];
  if (&bucket != &first) ++first.displaced;
  ++used_;
  return entry;
}

void FlowTable::remove_one(FlowEntry& entry) {
  const FlowIndex index = index_of(entry);
  const uint64_t hash = this->hash(entry.key);
  const auto clear = [&](Bucket& bucket) {
    for (unsigned ways = bucket.ways(tag_of(hash)); ways != 0; ways &= ways - 1) {
      const auto way = static_cast<size_t>(std::countr_zero(ways));
      if (bucket.index[way] != index) continue;
      bucket.tag[way] = 0;
      return true;
    }
    return false;
  };
  Bucket& first = buckets_[first_bucket(hash)];
  if (!clear(first)) {
    clear(buckets_[second_bucket(hash)]);
    --first.displaced;
  }
  set_state(entry, FlowState::kFree);
  entry.peer = free_;
  free_ = index;
  --used_;
}

IndexSet* FlowTable::set_of(FlowState state) {
  if (state == FlowState::kEmbryonic) return &embryonic_;
  return state == FlowState::kClosing ? &closing_ : nullptr;
}

void FlowTable::set_state(FlowEntry& entry, FlowState state) {
  if (IndexSet* const set = set_of(entry.state)) set->erase(index_of(entry));
  if (IndexSet* const set = set_of(state)) set->insert(index_of(entry));
  entry.state = state;
}

void FlowTable::erase(FlowEntry& entry) {
  const FlowIndex peer = entry.peer;
  remove_one(entry);
  if (peer != kNoFlow) remove_one(entries_[peer]);
}

FlowIndex FlowTable::victim_in_buckets(uint64_t hash, const Request& request) const {
  Victim victim(*this, request);
  for (const FlowIndex index : buckets_[first_bucket(hash)].index) victim.consider(index);
  for (const FlowIndex index : buckets_[second_bucket(hash)].index) victim.consider(index);
  return victim.index();
}

FlowIndex FlowTable::next_in(const IndexSet& set, FlowIndex keep) const {
  size_t index = set.next_round(hand_);
  if (index == keep) index = set.next_round(index + 1);
  return index == keep || index == IndexSet::kNone ? kNoFlow : static_cast<FlowIndex>(index);
}

FlowIndex FlowTable::victim_of_all(const Request& request) {
  // A newcomer gets the entry that the hand has just left: the hand meets flows in order of arrival.
  for (const IndexSet* const set : {&embryonic_, &closing_}) {
    const FlowIndex index = next_in(*set, request.keep);
    if (index == kNoFlow) continue;
    hand_ = index + 1;
    return index;
  }
  Victim victim(*this, request);
  for (size_t i = 0; i < std::min<size_t>(kHandSteps, entries_.size()); ++i) {
    if (hand_ >= entries_.size()) hand_ = 0;
    victim.consider(hand_++);
  }
  return victim.index();
}

}  // namespace sluice::lb
