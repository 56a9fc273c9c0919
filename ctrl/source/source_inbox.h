// What sources have said and the gateway has not taken yet. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>
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
  /// people's changes and questions wait. In order of pool, from the one on that comes after the last that
  /// was taken, so that a source which floods keeps no pool waiting for ever; of each pool in the order in
  /// which they came.
  Taken take();

 private:
  static constexpr size_t kMostAtOnce = 2000;
  static constexpr size_t kMostLost = 16;  ///< of one pool; more of them say nothing new

  std::mutex mutex_;
  std::map<std::string, std::vector<SourceWord>> words_;
  std::string last_taken_;
};

}  // namespace sluice::ctrl
