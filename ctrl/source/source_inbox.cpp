#include "ctrl/source/source_inbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::ctrl {

bool SourceInbox::add(SourceWord word) {
  const std::lock_guard lock(mutex_);
  const bool is_first = pools_.empty();
  const auto [place, is_new] = pools_.try_emplace(word.pool);
  auto& [pool, pending] = *place;
  if (is_new) {
    pending.arrival = ++arrivals_;
    by_arrival_.emplace(pending.arrival, pool);
  } else {
    by_size_.erase({pending.entries, pending.arrival});
  }
  keep(std::move(word), pending.words);
  pending.entries = 0;
  for (const SourceWord& each : pending.words) pending.entries += 1 + each.entries.size();
  by_size_.emplace(pending.entries, pending.arrival);
  return is_first;
}

void SourceInbox::keep(SourceWord word, std::vector<SourceWord>& known) {
  using Kind = SourceWord::Kind;
  if (word.kind == Kind::kConfirmed) {
    if (!known.empty() && known.back().kind != Kind::kLost) return;
  } else if (word.kind == Kind::kLost) {
    const auto losses = std::ranges::count(known, Kind::kLost, &SourceWord::kind);
    if (losses >= static_cast<std::ptrdiff_t>(kMostLost)) return;
  } else {
    // What came before it is out of date, but for what is to be counted.
    for (const SourceWord& before : known) word.repaired += before.repaired;
    if (!known.empty()) word.seen = known.front().seen;
    std::erase_if(known, [](const SourceWord& before) { return before.kind != Kind::kLost; });
  }
  known.push_back(std::move(word));
}

SourceInbox::Taken SourceInbox::take() {
  Taken taken;
  const std::lock_guard lock(mutex_);
  for (size_t entries = 0; !pools_.empty() && entries < kMostAtOnce;) {
    const bool is_for_small_ones = entries < kForSmallOnes;
    const uint64_t arrival = is_for_small_ones ? by_size_.begin()->second : by_arrival_.begin()->first;
    const auto named = by_arrival_.find(arrival);
    const auto next = pools_.find(named->second);
    Pending& pending = next->second;
    entries += pending.entries;
    std::ranges::move(pending.words, std::back_inserter(taken.words));
    by_size_.erase({pending.entries, arrival});
    by_arrival_.erase(named);
    pools_.erase(next);
  }
  taken.has_more = !pools_.empty();
  return taken;
}

}  // namespace sluice::ctrl
