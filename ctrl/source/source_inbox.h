// What sources have said and the gateway has not taken yet. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/observed/source_word.h"

namespace sluice::ctrl {

/// Of each pool the newest snapshot alone is kept, so that a source which floods costs no more memory than
/// one that does not.
class SourceInbox {
 public:
  /// True: these are the first, somebody is to take them.
  bool add(SourceWord word);
  struct Taken {
    std::vector<SourceWord> words;
    bool has_more = false;  ///< others wait, and somebody is to come again
  };
  /// Of whole pools, until these are kMostAtOnce entries: what is taken is applied with locks held for which
  /// people's changes wait. First kForSmallOnes of those that have the fewest, which cost the others little:
  /// while a source floods many pools, a small one that changes waits for no more than what is being applied.
  /// Then of those that have waited the longest, so that none waits for ever; of each pool in the order in
  /// which they came.
  Taken take();

 private:
  static constexpr size_t kMostAtOnce = 4000;
  static constexpr size_t kForSmallOnes = 1000;
  static constexpr size_t kMostLost = 16;  ///< of one pool; more of them say nothing new

  /// What is known of a pool.
  struct Pending {
    std::vector<SourceWord> words = {};
    size_t entries = 0;    ///< of all words, each of which counts for one too
    uint64_t arrival = 0;  ///< of its first word
  };
  static void keep(SourceWord word, std::vector<SourceWord>& known);

  std::mutex mutex_;
  std::map<std::string, Pending> pools_;
  std::map<uint64_t, std::string> by_arrival_;     ///< their names
  std::set<std::pair<size_t, uint64_t>> by_size_;  ///< their entries and arrivals
  uint64_t arrivals_ = 0;
};

}  // namespace sluice::ctrl
