// What the files of sets have in them now, which is not the intent's: a file changes by itself. Values; any
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace sluice::lb {
class PrefixSet;
}

namespace sluice::ctrl {

struct SetModel;

/// By name of set: all its prefixes, those that stand in the configuration too.
using SetContents = std::map<std::string, std::shared_ptr<const lb::PrefixSet>, std::less<>>;

/// What became of reading a set's file again.
struct SetReading {
  std::shared_ptr<const SetModel> of;                 ///< as it was meant when the file was read
  std::shared_ptr<const lb::PrefixSet> content = {};  ///< null: it could not be read, and the old one stays
  std::string error = {};
};

/// A set as metrics show it.
struct SetRow {
  std::string name;
  size_t prefixes = 0;
  uint64_t failures = 0;                          ///< re-readings that left the old content
  std::chrono::system_clock::time_point read_at;  ///< when its present content was read
};

}  // namespace sluice::ctrl
