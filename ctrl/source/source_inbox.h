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

/// Of each pool only the newest snapshot is kept, so that a source that floods costs no more memory than one
/// that does not.
class SourceInbox {
 public:
  /// True: the inbox was empty, so the caller has to arrange for a take().
  bool add(SourceWord word);
  struct Taken {
    std::vector<SourceWord> words;
    bool has_more = false;  ///< others wait: take() is to be called again
  };
  /// Takes the words of whole pools until these have kMostAtOnce entries, each pool's in the order in which
  /// they came. No more, since they are applied under locks that people's changes wait for. First come the
  /// pools with the fewest entries, until kForSmallOnes are taken: so a small pool need not wait while a
  /// source floods many others. Then come those that have waited the longest, so that none waits for ever.
  Taken take();

 private:
  static constexpr size_t kMostAtOnce = 4000;
  static constexpr size_t kForSmallOnes = 1000;
  static constexpr size_t kMostLost = 16;  ///< words of kind kLost kept for one pool; more say nothing new

  /// What is known of a pool.
  struct Pending {
    std::vector<SourceWord> words = {};
    size_t entries = 0;    ///< of all its words, and one for each word itself
    uint64_t arrival = 0;  ///< when its first word came, by `arrivals_`
  };
  static void keep(SourceWord word, std::vector<SourceWord>& known);

  std::mutex mutex_;
  std::map<std::string, Pending> pools_;
  std::map<uint64_t, std::string> by_arrival_;     ///< names of pools
  std::set<std::pair<size_t, uint64_t>> by_size_;  ///< entries and arrivals of pools
  uint64_t arrivals_ = 0;
};

}  // namespace sluice::ctrl
