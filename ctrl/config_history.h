// The configurations that were applied last, to look at and to go back to. Control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/model.h"

namespace sluice::ctrl {

struct HistoryEntry {
  uint64_t generation;
  std::chrono::system_clock::time_point time;
  std::string author;
  std::string sha256;  ///< of the configuration's canonical JSON (keys sorted, no spaces), in hex
  std::vector<std::string> changed;
};

class ConfigHistory {
 public:
  explicit ConfigHistory(size_t limit) : limit_(limit) {}

  /// Remembers a configuration; the oldest one gives way. Entries come without their hash, which is
  /// computed when somebody asks: it takes a while for a large configuration.
  void add(HistoryEntry entry, std::shared_ptr<const Model> model);
  /// Newest first.
  std::vector<HistoryEntry> entries() const;
  /// The configuration of that generation; null where it is not remembered.
  std::shared_ptr<const Model> find(uint64_t generation) const;

 private:
  struct Item {
    HistoryEntry entry;
    std::shared_ptr<const Model> model;
  };
  size_t limit_;
  mutable std::deque<Item> items_;  ///< mutable: hashes are filled in late
};

}  // namespace sluice::ctrl
