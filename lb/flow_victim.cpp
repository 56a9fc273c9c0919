// Who gives way to a newcomer, where entries or the places of its buckets are short (docs/decisions/0015).
#include <algorithm>

#include "lb/flow_table.h"

namespace sluice::lb {
namespace {

/// Flows looked at for one victim, where none is left of a state that gives way: the bound of an insertion's
/// cost in a full table.
constexpr unsigned kHandSteps = 32;
/// Of this many flows of one state the one idle longest goes: flows that go on are spared.
constexpr unsigned kSamples = 4;
/// Flows that one insertion may find to have lasted before it gives up. Each is found so once.
constexpr unsigned kMostConfirmed = 64;

/// The part of all entries, as flows, that a state before kAnswered keeps while a later one has more. Were
/// there none, a table full of closing flows would have each newcomer evict the one before, which the backend
/// is about to answer.
constexpr size_t kReserve = 32;

}  // namespace

/// The best candidate for eviction among those looked at.
class FlowTable::Victim {
 public:
  Victim(const FlowTable& table, const Request& request)
      : table_(table),
        keep_(request.keep),
        now_ms_(request.now_ms),
        last_allowed_(request.eviction == Eviction::kAnyone ? FlowState::kEstablished : FlowState::kClosing) {
  }

  [[gnu::always_inline]] void consider(FlowIndex index) {
    const FlowEntry& entry = table_.entries_[index];
    const FlowState state = has_lasted(entry) ? FlowState::kEstablished : entry.state;
    if (index == keep_ || state > last_allowed_) return;
    if (state == state_ && now_ms_ - entry.last_seen_ms <= idle_) return;  // whatever its peer says
    const uint32_t idle = table_.idle_ms(entry, now_ms_);
    if (index_ != kNoFlow && (state > state_ || (state == state_ && idle <= idle_))) return;
    index_ = index;
    state_ = state;
    idle_ = idle;
  }
  FlowIndex index() const { return index_; }

 private:
  const FlowTable& table_;
  const FlowIndex keep_;
  const uint32_t now_ms_;
  const FlowState last_allowed_;
  FlowIndex index_ = kNoFlow;
  FlowState state_ = FlowState::kFree;
  uint32_t idle_ = 0;
};

FlowIndex FlowTable::victim_in_buckets(uint64_t hash, const Request& request) const {
  Victim victim(*this, request);
  // Both are full, so that every way has an entry.
  for (const FlowIndex index : buckets_[first_bucket(hash)].index) victim.consider(index);
  for (const FlowIndex index : buckets_[second_bucket(hash)].index) victim.consider(index);
  return victim.index();
}

/// How many flows of a state may go, where one of the state `kept` may not.
inline size_t FlowTable::count_of(FlowState state, FlowState kept) const {
  const size_t all = yielding_[static_cast<size_t>(state) - static_cast<size_t>(FlowState::kStray)].count;
  return all - (kept == state ? 1 : 0);
}

/// The state whose flows are to give way before any answered one, or kFree where there is none. `kept` as
/// above.
FlowState FlowTable::first_to_yield(FlowState kept) const {
  FlowState first = FlowState::kFree;
  for (const FlowState state :
       {FlowState::kStray, FlowState::kEmbryonic, FlowState::kHandshake, FlowState::kClosing}) {
    const size_t count = count_of(state, kept);
    if (count > capacity() / kReserve) return state;
    if (count != 0 && first == FlowState::kFree) first = state;
  }
  return first;
}

/// Fetches the entries of who is likely to give way some newcomers later than the flow of that index: entries
/// lie in the order in which they go.
[[gnu::always_inline]] inline void FlowTable::prefetch_yielding(FlowIndex index) const {
  constexpr size_t kAhead = 16;
  const FlowEntry* const later = entries_.data() + index + kAhead;
  __builtin_prefetch(later, 1);
  __builtin_prefetch(later + 1, 1);
}

/// Fetches the buckets of who is likely to be the next: nothing else that its removal touches is far by now.
inline void FlowTable::expect(const FlowEntry& request) {
  const FlowIndex index = index_of(request);
  next_to_yield_ = index;
  prefetch_yielding(index);
  FlowHashes& hashes = expected(index);
  hash_both(request, hashes);
  prefetch_bucket(hashes.own);
  if (request.peer != kNoFlow) prefetch_bucket(hashes.reply);
}

/// Of the next few flows of a state, of which there is one besides `keep`, the one idle longest, the next of
/// equals. The search goes on behind it: who was passed over has been seen since its neighbors were.
FlowIndex FlowTable::longest_idle(FlowState state, const Request& request) {
  Yielding& flows = *yielding(state);
  const auto next_in = [keep = request.keep](IndexSet::Round& round) {
    const size_t index = round.next();
    return static_cast<FlowIndex>(index != keep ? index : round.next());
  };
  IndexSet::Round round(flows.members, flows.hand);
  const FlowIndex first = next_in(round);
  Victim victim(*this, request);
  victim.consider(first);
  const FlowIndex second = next_in(round);
  FlowIndex index = second;
  for (unsigned sample = 1; index != first; index = next_in(round)) {
    victim.consider(index);
    if (++sample == kSamples) break;
  }
  const FlowIndex chosen = victim.index() != kNoFlow ? victim.index() : first;
  flows.hand = chosen + 1;
  if (chosen == first) [[likely]] {
    expect(entries_[second]);
  } else {
    IndexSet::Round behind(flows.members, flows.hand);
    expect(entries_[next_in(behind)]);
  }
  return chosen;
}

FlowIndex FlowTable::longest_idle_of_any(const Request& request) {
  Victim victim(*this, request);
  for (size_t i = 0; i < std::min<size_t>(kHandSteps, entries_.size()); ++i) {
    if (hand_ >= entries_.size()) hand_ = 0;
    victim.consider(hand_++);
  }
  return victim.index();
}

FlowIndex FlowTable::victim_of_all(const Request& request) {
  const FlowState kept = request.keep != kNoFlow ? entries_[request.keep].state : FlowState::kFree;
  for (unsigned confirmed = 0; confirmed < kMostConfirmed; ++confirmed) {
    const FlowState state = first_to_yield(kept);
    if (state == FlowState::kFree) break;
    const FlowIndex index = longest_idle(state, request);
    if (!has_lasted(entries_[index])) return index;
    confirm(entries_[index]);
  }
  if (request.eviction == Eviction::kUnanswered) return kNoFlow;
  if (count_of(FlowState::kAnswered, kept) != 0) return longest_idle(FlowState::kAnswered, request);
  return longest_idle_of_any(request);
}

}  // namespace sluice::lb
