// From keys to the range that they lie in, of which there may be millions: a sorted array of where ranges
// begin, and an index over it. Immutable after build(); any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::lb {

/// `Key` is an unsigned integer. A lookup reads the index, and halves the few ranges that begin in one part
/// of it: two or three cache lines where keys are spread evenly, never more steps than the logarithm of all.
template <typename Key>
class RangeTable {
 public:
  /// What a range holds.
  using Value = uint8_t;

  RangeTable() = default;
  /// `starts` ascend, and the first is 0; `values` are as many.
  RangeTable(std::vector<Key> starts, std::vector<Value> values)
      : starts_(std::move(starts)), values_(std::move(values)) {
    build_index();
  }

  bool operator==(const RangeTable&) const = default;
  bool empty() const { return starts_.empty(); }
  size_t size() const { return starts_.size(); }

  /// What the range of `key` holds. The table is not empty().
  Value find(Key key) const {
    if (key < base_) return values_.front();
    const size_t part = part_of(key);
    size_t first = index_[part];
    for (size_t left = index_[part + 1] - first + 1; left > 1;) {
      const size_t half = left / 2;
      first = starts_[first + half] <= key ? first + half : first;
      left -= half;
    }
    return values_[first];
  }
  /// For who looks up several keys: the first begins to fetch of the index what find() reads, the second,
  /// some time later, what that leads to. Always inline, as whoever passes them on: of a function that only
  /// fetches GCC believes that it does nothing, and leaves its calls out.
  [[gnu::always_inline]] void fetch_index(Key key) const {
    __builtin_prefetch(&index_[key < base_ ? 0 : part_of(key)]);
  }
  [[gnu::always_inline]] void fetch_ranges(Key key) const {
    const size_t first = index_[key < base_ ? 0 : part_of(key)];
    __builtin_prefetch(&starts_[first]);
    __builtin_prefetch(&values_[first]);
  }

 private:
  static constexpr size_t kRangesPerPart = 4;
  static constexpr size_t kMostParts = size_t{1} << 19;

  /// Of a key that is not below base_.
  size_t part_of(Key key) const {
    return static_cast<size_t>(std::min(static_cast<Key>((key - base_) >> shift_), last_part_));
  }

  /// index_[i] is the range in which part i of the keys from base_ on begins.
  void build_index() {
    if (starts_.empty()) return;
    base_ = starts_.size() > 1 ? starts_[1] : 0;
    const size_t parts = std::clamp(std::bit_floor(starts_.size() / kRangesPerPart), size_t{1}, kMostParts);
    const Key span = starts_.back() - base_;
    while (parts > 1 && (span >> shift_) >= parts) ++shift_;
    last_part_ = static_cast<Key>(parts - 1);
    index_.reserve(parts + 1);
    size_t range = 0;
    for (size_t part = 0; part < parts; ++part) {
      Key begins = base_ + (static_cast<Key>(part) << shift_);
      if (begins < base_) begins = ~Key{0};  // beyond the last key
      while (range + 1 < starts_.size() && starts_[range + 1] <= begins) ++range;
      index_.push_back(static_cast<uint32_t>(range));
    }
    index_.push_back(static_cast<uint32_t>(starts_.size() - 1));
  }

  std::vector<Key> starts_;
  std::vector<Value> values_;
  std::vector<uint32_t> index_;
  Key base_ = 0;
  Key last_part_ = 0;
  unsigned shift_ = 0;
};

}  // namespace sluice::lb
