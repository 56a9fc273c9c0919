// Where the elements of a ring lie, found by their hashes. One thread; the memory is the caller's.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "common/check.h"
#include "ledger/bucket_words.h"

namespace sluice::ledger {

/// An open-addressing table of 32-bit slots {ring position, tag}. A bucket is one cache line: 15 slots and a
/// count of the positions that found it full and went on (after Bronson and Shi, F14, 2019), so that one can
/// leave without a tombstone. What is not in the table costs one line.
class PositionTable {
 public:
  /// Where the search for a hash begins: made once for all the calls below.
  struct Home {
    uint64_t bucket;
    uint32_t tag;  // in a slot's upper bits, never zero
  };

  /// How many buckets a table for that many ring positions has.
  static constexpr uint64_t buckets_for(uint64_t positions) { return positions / kPerBucket + 2; }

  /// Borrows buckets_for(positions) of them, zeroed or stale: clear() comes first.
  PositionTable(std::span<BucketWords> buckets, uint64_t positions)
      : buckets_(buckets), position_bits_(static_cast<unsigned>(std::bit_width(positions - 1))) {}

  void clear() { std::memset(buckets_.data(), 0, buckets_.size_bytes()); }

  /// `hash` is as good as random in all its bits. Hot path.
  Home home_of(uint64_t hash) const {
    const uint32_t tag = static_cast<uint32_t>(hash) >> position_bits_;
    return {static_cast<uint64_t>(static_cast<unsigned __int128>(hash) * buckets_.size() >> 64),
            std::max(tag, 1u) << position_bits_};
  }
  /// Fetches the bucket. Call it some searches before. Hot path.
  void prefetch(const Home& home) const { __builtin_prefetch(&buckets_[home.bucket], 1); }

  /// The position under that home which `is_wanted`. Hot path.
  template <typename IsWanted>
  std::optional<uint32_t> find(const Home& home, IsWanted is_wanted) const {
    const uint32_t position_mask = (1u << position_bits_) - 1;
    for (uint64_t i = home.bucket;; i = after(i)) {
      const BucketWords& bucket = buckets_[i];
      for (uint32_t found = slots_equal(bucket, ~position_mask, home.tag); found != 0; found &= found - 1) {
        const uint32_t position = bucket[static_cast<size_t>(std::countr_zero(found))] & position_mask;
        if (is_wanted(position)) return position;
      }
      if (bucket[kOverflowed] == 0) return std::nullopt;
    }
  }

  /// A position that is not in the table. Hot path.
  void insert(const Home& home, uint64_t position) {
    for (uint64_t i = home.bucket;; i = after(i)) {
      BucketWords& bucket = buckets_[i];
      const uint32_t free = slots_equal(bucket, UINT32_MAX, 0);
      if (free != 0) {
        bucket[static_cast<size_t>(std::countr_zero(free))] = slot(home, position);
        return;
      }
      ++bucket[kOverflowed];
    }
  }

  /// A position that is in the table under that home. Hot path.
  void remove(const Home& home, uint64_t position) {
    for (uint64_t i = home.bucket;; i = after(i)) {
      BucketWords& bucket = buckets_[i];
      const uint32_t found = slots_equal(bucket, UINT32_MAX, slot(home, position));
      if (found != 0) {
        bucket[static_cast<size_t>(std::countr_zero(found))] = 0;
        return;
      }
      check(bucket[kOverflowed] != 0, "what is in the table is in the bucket of its home or behind it");
      --bucket[kOverflowed];
    }
  }

 private:
  static constexpr uint64_t kPerBucket = 9;  // of 15 slots: one bucket in fifty overflows
  static constexpr size_t kOverflowed = 0;   // the word that is no slot

  uint64_t after(uint64_t bucket) const { return bucket + 1 == buckets_.size() ? 0 : bucket + 1; }
  static uint32_t slot(const Home& home, uint64_t position) {
    return home.tag | static_cast<uint32_t>(position);
  }

  std::span<BucketWords> buckets_;
  unsigned position_bits_;
};

}  // namespace sluice::ledger
