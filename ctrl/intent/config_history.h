// The configurations that were applied last, to look at and to go back to. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// What became of a change that is taken back by itself unless it is confirmed.
enum class Confirmation : uint8_t {
  kNotAsked,    ///< it holds by itself
  kPending,     ///< it is waited for
  kConfirmed,   ///< it holds
  kTakenBack,   ///< by time, or by a restart
  kSuperseded,  ///< another configuration was applied meanwhile
};
std::string_view word_for(Confirmation confirmation);
std::optional<Confirmation> confirmation_of(std::string_view word);

struct HistoryEntry {
  uint64_t generation;
  std::chrono::system_clock::time_point time;
  std::string author;
  std::string sha256;  ///< of the configuration's canonical JSON, by ConfigHash; empty: not known yet
  std::vector<std::string> changed;
  Confirmation confirmation = Confirmation::kNotAsked;
  std::optional<std::chrono::system_clock::time_point> confirm_by = {};  ///< of one that was to be confirmed
  uint64_t confirm_base = 0;  ///< the generation that it gives way to
};

class ConfigHistory {
 public:
  explicit ConfigHistory(size_t limit) : limit_(limit) {}

  /// Remembers a configuration; the oldest one gives way. Its hash may come later: it takes a while for a
  /// large configuration. Null: the configuration lies on disk.
  void add(HistoryEntry entry, std::shared_ptr<const Model> model);
  /// Newest first.
  std::vector<HistoryEntry> entries() const;
  /// The configuration of that generation; null where it is not remembered, or lies on disk.
  std::shared_ptr<const Model> find(uint64_t generation) const;
  bool contains(uint64_t generation) const;
  /// What became of a change.
  void set_confirmation(uint64_t generation, Confirmation confirmation);

  /// The newest entry that has no hash yet.
  struct Unhashed {
    uint64_t generation;
    std::shared_ptr<const Model> model;
  };
  std::optional<Unhashed> unhashed() const;
  void set_hash(uint64_t generation, std::string sha256);

  /// The oldest entry that differs from what is on disk, and its configuration: null where that is on disk as
  /// it is.
  struct Unsaved {
    HistoryEntry entry;
    std::shared_ptr<const Model> model;
  };
  std::optional<Unsaved> unsaved() const;
  /// That entry, as it was given out, is on disk.
  void set_saved(const HistoryEntry& entry);

 private:
  struct Item {
    HistoryEntry entry;
    std::shared_ptr<const Model> model;
    bool is_saved = false;
  };
  const Item* item_of(uint64_t generation) const;

  size_t limit_;
  std::deque<Item> items_;
};

}  // namespace sluice::ctrl
