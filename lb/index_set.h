// A set of small integers whose next member after a given one is found in a few steps. One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::lb {

/// A bit for each integer below a fixed bound, under it a bit for each word that has any, and so on up
/// to one word. Allocates in the constructor alone.
class IndexSet {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  explicit IndexSet(size_t bound) {
    do {
      bound = (bound + 63) / 64;
      levels_.emplace_back(bound);
    } while (bound > 1);
  }

  void insert(size_t index) {
    for (auto& level : levels_) {
      uint64_t& word = level[index / 64];
      const bool was_empty = word == 0;
      word |= uint64_t{1} << (index % 64);
      if (!was_empty) return;
      index /= 64;
    }
  }
  void erase(size_t index) {
    for (auto& level : levels_) {
      uint64_t& word = level[index / 64];
      word &= ~(uint64_t{1} << (index % 64));
      if (word != 0) return;
      index /= 64;
    }
  }

  /// Goes through the members in turn, from the least that is `from` or greater on, round and round. There
  /// are some, and they stay the same meanwhile.
  class Round {
   public:
    Round(const IndexSet& set, size_t from) : set_(set) { set_out(from); }
    size_t next() {
      if (later_ == 0) [[unlikely]]
        set_out(set_.next_round_beyond(first_ + 64));
      const size_t member = first_ + static_cast<unsigned>(std::countr_zero(later_));
      later_ &= later_ - 1;
      return member;
    }

   private:
    void set_out(size_t from) {
      const std::vector<uint64_t>& all = set_.levels_.front();
      const size_t word = from / 64;
      first_ = word * 64;
      later_ = word < all.size() ? all[word] & ~uint64_t{0} << (from % 64) : 0;
    }

    const IndexSet& set_;
    size_t first_;    ///< of the integers that share a word
    uint64_t later_;  ///< those of them that are members still to come
  };

  /// The least member that is `from` or greater, else the least of all, else kNone.
  size_t next_round(size_t from) const {
    const std::vector<uint64_t>& all = levels_.front();
    const size_t word = from / 64;
    if (word < all.size()) [[likely]] {
      const uint64_t later = all[word] >> (from % 64);
      if (later != 0) return from + static_cast<unsigned>(std::countr_zero(later));
    }
    return next_round_beyond(from);
  }

 private:
  /// The same where no member of the word of `from` is.
  [[gnu::noinline]] size_t next_round_beyond(size_t from) const {
    const size_t later = next(from);
    return later != kNone || from == 0 ? later : next(0);
  }
  size_t next(size_t from) const {
    for (size_t height = 0; height < levels_.size(); ++height) {
      const size_t at = from / 64;
      if (at >= levels_[height].size()) return kNone;
      const uint64_t later = levels_[height][at] & ~uint64_t{0} << (from % 64);
      if (later != 0) return descend(height, at * 64 + static_cast<unsigned>(std::countr_zero(later)));
      from = at + 1;
    }
    return kNone;
  }
  size_t descend(size_t height, size_t index) const {
    for (; height > 0; --height) {
      index = index * 64 + static_cast<unsigned>(std::countr_zero(levels_[height - 1][index]));
    }
    return index;
  }

  std::vector<std::vector<uint64_t>> levels_;
};

}  // namespace sluice::lb
