// Which entries of the flow table have a bucket as their first and lie in their second one, since it was
// full: marked well enough that hardly any other key is looked for in a second bucket (docs/decisions/0059).
// Values of the worker that owns the table.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::lb {

/// Marks of up to four entries, by their hashes, and the number of the others. They hold in the round of the
/// table in which they were noted: a round ends when the table is empty, and older marks are void.
class Displaced {
 public:
  /// At least so many buckets are in use from the start: bits 0 to 8 of a hash are in no mark, so that marks
  /// could not tell the halves of an earlier split.
  static constexpr size_t kLeastBuckets = 512;

  /// Whether an entry with that hash, of which this is the first bucket, may lie in the second.
  bool may_have(uint64_t hash, uint32_t round) const {
    const __m128i marks = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(marks_.data()));
    const __m128i equal = _mm_cmpeq_epi16(marks, _mm_set1_epi16(static_cast<int16_t>(mark_of(hash))));
    const bool is_noted = (_mm_movemask_epi8(equal) & 0xff) != 0 || others_ != 0;
    return is_noted && round_ == round;
  }
  /// How many there are, at most.
  size_t count(uint32_t round) const;

  void note(uint64_t hash, uint32_t round);
  /// One that was noted lies elsewhere no more.
  void forget(uint64_t hash, uint32_t round);
  /// Takes those out that would be in the bucket that splits off, by this bit of their hashes. Those without
  /// a mark may be of either, and so may all where no mark has that bit.
  Displaced split(size_t telling_bit);

 private:
  /// The mark of a displaced entry: bits 9 to 23 of its hash, from which its first bucket's number is taken,
  /// so that it tells which half the entry belongs to when that bucket is split. Never 0.
  static uint16_t mark_of(uint64_t hash) { return static_cast<uint16_t>(hash >> kMarkShift) | 1; }
  static size_t bits_of(uint16_t mark) { return size_t{mark} << kMarkShift; }
  static constexpr unsigned kMarkShift = 8;
  static_assert(kLeastBuckets == size_t{2} << kMarkShift);

  std::array<uint16_t, 4> marks_{};  ///< 0: of none
  uint32_t others_ = 0;
  uint32_t round_ = 0;
};

}  // namespace sluice::lb
