// The configurations that were applied last, to look at and to go back to. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

struct HistoryEntry {
  uint64_t generation;
  std::chrono::system_clock::time_point time;
  std::string author;
  std::string sha256;  ///< of the configuration's canonical JSON, by ConfigHash; empty: not known yet
  std::vector<std::string> changed;
};

class ConfigHistory {
 public:
  explicit ConfigHistory(size_t limit) : limit_(limit) {}

  /// Remembers a configuration; the oldest one gives way. Its hash may come later: it takes a while for a
  /// large configuration.
  void add(HistoryEntry entry, std::shared_ptr<const Model> model);
  /// Newest first.
  std::vector<HistoryEntry> entries() const;
  /// The configuration of that generation; null where it is not remembered.
  std::shared_ptr<const Model> find(uint64_t generation) const;

  /// The newest entry that has no hash yet.
  struct Unhashed {
    uint64_t generation;
    std::shared_ptr<const Model> model;
  };
  std::optional<Unhashed> unhashed() const;
  void set_hash(uint64_t generation, std::string sha256);

 private:
  struct Item {
    HistoryEntry entry;
    std::shared_ptr<const Model> model;
  };
  size_t limit_;
  std::deque<Item> items_;
};

}  // namespace sluice::ctrl
