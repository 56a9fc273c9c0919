#include "ctrl/observed/discovered_pool.h"

#include <utility>

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {

std::string_view word_for(SourceState state) {
  switch (state) {
    case SourceState::kSynced:
      return "synced";
    case SourceState::kConnecting:
      return "connecting";
    case SourceState::kHeld:
      return "held";
    case SourceState::kStale:
      return "stale";
    case SourceState::kFailed:
      return "failed";
  }
  return "";
}

SourcePolicy policy_of(const SourceModel& source, const DiscoverModel& discover) {
  return {source.hold_for, source.on_empty, source.resync, discover.guard, discover.withdraw};
}

void DiscoveredPool::set_state(SourceState state, std::string reason, Moment now) {
  if (state_ != state) since_ = now.wall;
  state_ = state;
  reason_ = std::move(reason);
}

void DiscoveredPool::heard(Moment now) {
  last_word_ = now.steady;
  last_success_ = now.wall;
  out_since_.reset();
  has_answered_ = true;
}

/// The state of a source that is in reach.
void DiscoveredPool::settle(Moment now) {
  held_ ? set_state(SourceState::kHeld, why_held_, now) : set_state(SourceState::kSynced, "", now);
}

/// Takes a set, and notes what it no longer has.
bool DiscoveredPool::apply(std::vector<Discovered> next, Withdraw withdraw) {
  if (applied_ == next) return false;
  auto successor = next.begin();
  for (const Discovered& one : applied_) {
    while (successor != next.end() && successor->at < one.at) ++successor;
    const bool stays = successor != next.end() && successor->at == one.at;
    if (!stays && withdraw == Withdraw::kDrain) withdrawn_.emplace(one.at, one.weight);
  }
  if (!withdrawn_.empty()) {
    for (const Discovered& one : next) withdrawn_.erase(one.at);
  }
  applied_ = std::move(next);
  return true;
}

/// Why a set is not to count by itself; empty: it may.
std::string DiscoveredPool::objection(const std::vector<Discovered>& next,
                                      const std::vector<BackendModel>& file,
                                      const SourcePolicy& policy) const {
  if (next.empty() && !applied_.empty() && policy.on_empty == OnEmpty::kHold) {
    return "there is nothing left, and on_empty says hold";
  }
  if (!policy.guard) return "";
  const Loss lost = loss(file, applied_, next);
  if (static_cast<double>(lost.taken_away) <= *policy.guard * static_cast<double>(lost.present)) return "";
  return std::to_string(lost.taken_away) + " of " + std::to_string(lost.present) +
         " members would be taken away, more than the guard allows";
}

bool DiscoveredPool::deliver(std::vector<Discovered> next, const std::vector<BackendModel>& file,
                             const SourcePolicy& policy, Moment now) {
  heard(now);
  // The guard compares with the last good set, also after an outage that emptied the pool.
  const bool is_back = std::exchange(is_emptied_, false) && apply(delivered_, policy.withdraw);
  why_held_ = objection(next, file, policy);
  if (!why_held_.empty()) {
    held_ = std::move(next);
    settle(now);
    return is_back;
  }
  held_.reset();
  settle(now);
  delivered_ = next;
  return apply(std::move(next), policy.withdraw) || is_back;
}

bool DiscoveredPool::confirm(Moment now) {
  if (!has_answered_) return false;  // nothing was delivered that it could mean
  heard(now);
  settle(now);
  return std::exchange(is_emptied_, false) && apply(delivered_, Withdraw::kDrain);
}

void DiscoveredPool::lost(const std::string& reason, Moment now) {
  if (!out_since_) out_since_ = now.steady;
  set_state(last_success_ ? SourceState::kStale : SourceState::kFailed, reason, now);
}

bool DiscoveredPool::release(const SourcePolicy& policy, Moment now) {
  if (!held_) return false;
  delivered_ = *held_;
  apply(std::move(*std::exchange(held_, std::nullopt)), policy.withdraw);
  if (state_ == SourceState::kHeld) settle(now);
  return true;
}

bool DiscoveredPool::expire(const SourcePolicy& policy, Moment now) {
  const auto patience = policy.resync + kSilence;
  if (!out_since_ && now.steady - last_word_ > patience) {
    lost("no word for " + format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(patience)),
         now);
  }
  const bool is_over = out_since_ && policy.hold_for && now.steady - *out_since_ >= *policy.hold_for;
  if (!is_over || is_emptied_ || !last_success_) return false;
  is_emptied_ = true;
  held_.reset();
  return apply({}, policy.withdraw);
}

void DiscoveredPool::restart(Moment now) {
  has_answered_ = false;
  held_.reset();
  out_since_.reset();
  last_word_ = now.steady;
  set_state(SourceState::kConnecting, "", now);
}

}  // namespace sluice::ctrl
