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
  /// In order of pool; of each pool in the order in which they came.
  std::vector<SourceWord> take();

 private:
  static constexpr size_t kMostLost = 16;  ///< of one pool; more of them say nothing new

  std::mutex mutex_;
  std::map<std::string, std::vector<SourceWord>> words_;
};

}  // namespace sluice::ctrl
