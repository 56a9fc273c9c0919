// The history of the configuration on disk: one file for each generation, so that it survives restarts, and
// numbers go on. Files are replaced whole; what is torn is left out and said, and its number stays used. For
// the threads that may wait; one at a time.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/result.h"
#include "ctrl/intent/config_history.h"

namespace sluice::ctrl {

class HistoryStore {
 public:
  /// Nothing is kept.
  HistoryStore() = default;
  ~HistoryStore();
  HistoryStore(HistoryStore&& other) noexcept;
  HistoryStore& operator=(HistoryStore&& other) noexcept;

  /// Makes the directory where it is missing, and locks it: two gateways never write one history. An Error is
  /// why nothing will be kept.
  static Result<HistoryStore> open(const std::string& directory);

  /// What is there, oldest first, without the configurations, and what could not be read.
  struct Found {
    std::vector<HistoryEntry> entries;
    std::vector<std::string> unreadable;
    uint64_t last = 0;  ///< the greatest number that was ever given; 0: none
  };
  Found read() const;
  /// The configuration of a generation, as it was written.
  Result<nlohmann::json> configuration(uint64_t generation) const;
  /// Writes, or replaces, what is kept of a generation: durable when this returns.
  Result<void> write(const HistoryEntry& entry, const std::string& configuration);
  /// Removes all but the generations from `first` on.
  void forget_before(uint64_t first);

  bool is_open() const { return lock_ >= 0; }

 private:
  std::string file_of(uint64_t generation) const;

  std::string directory_;
  int lock_ = -1;
};

}  // namespace sluice::ctrl
