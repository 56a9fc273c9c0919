#include "ctrl/source/source_inbox.h"

#include <algorithm>
#include <iterator>
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

std::vector<SourceWord> SourceInbox::take() {
  std::map<std::string, std::vector<SourceWord>> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(words_);
  }
  std::vector<SourceWord> words;
  for (auto& [pool, of_pool] : taken) {
    words.insert(words.end(), std::make_move_iterator(of_pool.begin()),
                 std::make_move_iterator(of_pool.end()));
  }
  return words;
}

}  // namespace sluice::ctrl
