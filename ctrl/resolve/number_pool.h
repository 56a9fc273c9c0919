// Numbers for things that have a key: given out, retired, and given again only when nobody uses them any
// more. Changes are tentative until commit(). Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::ctrl {

template <typename Key>
class NumberPool {
 public:
  explicit NumberPool(uint32_t capacity) : capacity_(capacity) {}

  std::optional<uint32_t> find(const Key& key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The number of that key, or a fresh one; nothing when all are taken.
  std::optional<uint32_t> obtain(const Key& key) {
    if (const auto known = find(key)) return known;
    uint32_t number = 0;
    if (!free_.empty()) {
      number = free_.back();
      free_.pop_back();
    } else if (slots_.size() < capacity_) {
      number = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      return std::nullopt;
    }
    slots_[number] = {key, true};
    by_key_.emplace(key, number);
    changes_.push_back({Change::kGiven, number});
    return number;
  }

  /// Takes the number from its key; it stays unused until collect() finds it idle.
  void retire(uint32_t number) { take(number, Change::kRetired); }
  /// The same for a number that nobody minds being given again at once.
  void release(uint32_t number) { take(number, Change::kReleased); }

  /// The key of a number that is in use; null where it is retired or free. Valid until the next change.
  const Key* at(uint32_t number) const {
    return number < slots_.size() && slots_[number].in_use ? &slots_[number].key : nullptr;
  }
  /// One past the greatest number ever given.
  size_t limit() const { return slots_.size(); }
  const std::vector<uint32_t>& retired() const { return retired_; }
  /// The key that a retired number had.
  const Key& former_key(uint32_t number) const { return slots_[number].key; }

  /// Makes all changes since the last commit() final. Returns what was retired.
  std::vector<uint32_t> commit() {
    std::vector<uint32_t> retired;
    for (const auto& [change, number] : changes_) {
      if (change == Change::kRetired) retired.push_back(number);
      if (change == Change::kReleased) free_.push_back(number);
    }
    retired_.insert(retired_.end(), retired.begin(), retired.end());
    changes_.clear();
    return retired;
  }
  /// Takes them back.
  void discard() {
    for (auto made = changes_.rbegin(); made != changes_.rend(); ++made) {
      const auto& [change, number] = *made;
      Slot& slot = slots_[number];
      slot.in_use = change != Change::kGiven;
      if (change == Change::kGiven) {
        by_key_.erase(slot.key);
        free_.push_back(number);
      } else {
        by_key_.emplace(slot.key, number);
      }
    }
    changes_.clear();
  }

  /// Frees the retired numbers for which is_idle(number) holds.
  template <typename IsIdle>
  void collect(IsIdle&& is_idle) {
    std::erase_if(retired_, [&](uint32_t number) {
      if (!is_idle(number)) return false;
      free_.push_back(number);
      return true;
    });
  }

 private:
  struct Slot {
    Key key;
    bool in_use = false;
  };
  enum class Change : uint8_t { kGiven, kRetired, kReleased };

  void take(uint32_t number, Change change) {
    slots_[number].in_use = false;
    by_key_.erase(slots_[number].key);
    changes_.push_back({change, number});
  }

  uint32_t capacity_;
  std::map<Key, uint32_t> by_key_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> retired_;
  std::vector<std::pair<Change, uint32_t>> changes_;  ///< since the last commit
};

}  // namespace sluice::ctrl
