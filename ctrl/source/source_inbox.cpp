#include "ctrl/source/source_inbox.h"

#include <algorithm>
#include <utility>

namespace sluice::ctrl {

bool SourceInbox::add(SourceWord word) {
  using Kind = SourceWord::Kind;
  const std::lock_guard lock(mutex_);
  const bool is_first = words_.empty();
  std::vector<SourceWord>& known = words_[word.pool];
  if (word.kind == Kind::kConfirmed) {
    if (!known.empty() && known.back().kind != Kind::kLost) return is_first;
  } else if (word.kind == Kind::kLost) {
    const auto losses = std::ranges::count(known, Kind::kLost, &SourceWord::kind);
    if (losses >= static_cast<std::ptrdiff_t>(kMostLost)) return is_first;
  } else {
    // What came before it is out of date, but for what is to be counted.
    for (const SourceWord& before : known) word.repaired += before.repaired;
    if (!known.empty()) word.seen = known.front().seen;
    std::erase_if(known, [](const SourceWord& before) { return before.kind != Kind::kLost; });
  }
  known.push_back(std::move(word));
  return is_first;
}

SourceInbox::Taken SourceInbox::take() {
  Taken taken;
  const std::lock_guard lock(mutex_);
  for (size_t entries = 0; !words_.empty() && entries < kMostAtOnce;) {
    auto next = words_.upper_bound(last_taken_);
    if (next == words_.end()) next = words_.begin();
    last_taken_ = next->first;
    for (SourceWord& word : next->second) {
      entries += 1 + word.entries.size();
      taken.words.push_back(std::move(word));
    }
    words_.erase(next);
  }
  taken.has_more = !words_.empty();
  return taken;
}

}  // namespace sluice::ctrl
