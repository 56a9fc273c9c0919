// The Maglev table while it is being filled: who stands where in its permutation, and which slots are free.
// Part of build_maglev(), which has the rule. Pure; used by one thread.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "lb/backend.h"

namespace sluice::lb {

/// Eight slots, or numbers of steps.
using Lanes = uint32_t __attribute__((vector_size(32)));

inline Lanes spread(uint32_t value) {
  return Lanes{} + value;
}

/// slot + steps modulo the size.
inline uint32_t ahead(uint32_t slot, uint32_t steps, uint32_t size) {
  const uint32_t sum = slot + steps;
  return sum < size ? sum : sum - size;
}
/// Of the two sums the second has wrapped to a great number just where it is not wanted.
inline Lanes ahead(Lanes slots, Lanes steps, Lanes size) {
  const Lanes sum = slots + steps, wrapped = sum - size;
  return sum < wrapped ? sum : wrapped;
}

/// A backend's walk through its own permutation of the slots: offset, offset + skip, offset + 2 skip, ...
class Walk {
 public:
  /// `skip` is 1..size-1, so that the walk visits every slot of a table of prime size.
  Walk(uint32_t offset, uint32_t skip, uint32_t size) : slot(offset) {
    for (unsigned i = 1; i < 8; ++i) multiples_[i] = ahead(multiples_[i - 1], skip, size);
  }
  uint32_t skip() const { return multiples_[1]; }
  /// The slot where it stands and the seven after it.
  Lanes next_eight(uint32_t size) const { return ahead(spread(slot), multiples_, spread(size)); }
  uint32_t eight_skips(uint32_t size) const { return ahead(multiples_[7], multiples_[1], size); }

  uint32_t slot;  ///< nothing before it is free

 private:
  Lanes multiples_{};  ///< 0 to 7 times the skip
};

/// Arithmetic modulo a prime below 2^31, by a reciprocal: it is rounded up by less than 1 of 2^64, and
/// a product of two residues is below 2^62, so a quotient is at most one too great.
class Modulus {
 public:
  explicit Modulus(uint32_t modulus) : modulus_(modulus), reciprocal_(UINT64_MAX / modulus + 1) {}
  uint32_t multiply(uint32_t a, uint32_t b) const {
    const uint64_t product = uint64_t{a} * b;
    const auto quotient = static_cast<uint64_t>(static_cast<unsigned __int128>(product) * reciprocal_ >> 64);
    const uint64_t remainder = product - quotient * modulus_;
    return static_cast<uint32_t>(std::min(remainder, remainder + modulus_));
  }
  /// By Fermat's little theorem: a^(p-2) for a prime p.
  uint32_t inverse(uint32_t a) const {
    uint32_t result = 1;
    for (uint32_t exponent = modulus_ - 2; exponent != 0; exponent /= 2, a = multiply(a, a)) {
      if ((exponent & 1) != 0) result = multiply(result, a);
    }
    return result;
  }

 private:
  uint32_t modulus_;
  uint64_t reciprocal_;
};

/// While many slots are free a backend walks to its next one; a walk takes size / free steps on average, so
/// for the last few slots it is cheaper to ask of each of those when the backend would come by.
class MaglevFill {
 public:
  /// `size` is a prime below 2^31.
  explicit MaglevFill(uint32_t size)
      : size_(size),
        modulus_(size),
        shift_(size < kSmall ? 0 : 5),
        left_(size),
        taken_((size >> shift_) + 1),
        slots_(size, kNoBackend) {
    while (few_ * few_ < size) ++few_;
  }

  /// Gives `id` the next free slot of its walk. False once the table is full.
  [[gnu::always_inline]] bool take(Walk& walk, BackendId id) {
    walk.slot = left_ > size_ / 4 ? next_free<1>(walk) : next_of_quarter(walk);
    taken_[walk.slot >> shift_] |= uint32_t{1} << walk.slot % 32;
    slots_[walk.slot] = id;
    return --left_ != 0;
  }

  std::vector<BackendId> finish() { return std::move(slots_); }

 private:
  static constexpr uint32_t kSmall = 1 << 13;

  /// Looks at eight slots at a time, or more: their loads overlap, and whether one of many is free is guessed
  /// right by the processor far more often than whether the next one is.
  template <unsigned kEights>
  uint32_t next_free(const Walk& walk) const {
    const Lanes size = spread(size_), step = spread(walk.eight_skips(size_));
    Lanes at[kEights] = {walk.next_eight(size_)};
    for (;;) {
      uint32_t taken = taken_of(at[0]);
      for (unsigned i = 1; i < kEights; ++i) {
        at[i] = ahead(at[i - 1], step, size);
        taken |= taken_of(at[i]) << 8 * i;
      }
      const auto steps = static_cast<unsigned>(std::countr_one(taken));
      if (steps < 8 * kEights) return at[steps / 8][steps % 8];
      at[0] = ahead(at[kEights - 1], step, size);
    }
  }

  /// Not inline: three quarters of the time take() is as short as can be.
  [[gnu::noinline]] uint32_t next_of_quarter(const Walk& walk) {
    if (left_ > few_) return next_free<2>(walk);
    if (free_.empty()) list_free();
    return take_nearest(walk);
  }

  /// A bit for each of the slots: whether it is taken.
  uint32_t taken_of(Lanes slots) const {
    const auto words = reinterpret_cast<Lanes>(_mm256_i32gather_epi32(
        reinterpret_cast<const int*>(taken_.data()), reinterpret_cast<__m256i>(slots >> shift_), 4));
    const Lanes on_top = words << (31 - slots % 32);
    return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(on_top)));
  }

  void list_free() {
    for (uint32_t slot = 0; slot < size_; ++slot) {
      if (slots_[slot] == kNoBackend) free_.push_back(slot);
    }
  }

  /// The steps to a slot are its distance divided by the skip. That product by a constant inverse is Shoup's:
  /// the quotient is at most one too small, and 32 bits are enough, which suits vectors.
  uint32_t take_nearest(const Walk& walk) {
    const uint32_t inverse = modulus_.inverse(walk.skip());
    const auto scaled = static_cast<uint32_t>((uint64_t{inverse} << 32) / size_);
    uint32_t least_steps = UINT32_MAX;
    for (const uint32_t slot : free_) {
      const uint32_t distance = std::min(slot - walk.slot, slot - walk.slot + size_);
      const auto quotient = static_cast<uint32_t>(uint64_t{distance} * scaled >> 32);
      const uint32_t steps = distance * inverse - quotient * size_;
      least_steps = std::min(least_steps, std::min(steps, steps - size_));
    }
    const uint32_t slot = ahead(walk.slot, modulus_.multiply(least_steps, walk.skip()), size_);
    *std::find(free_.begin(), free_.end(), slot) = free_.back();
    free_.pop_back();
    return slot;
  }

  const uint32_t size_;
  const Modulus modulus_;
  const uint32_t shift_;
  uint32_t left_;
  uint32_t few_ = 1;  ///< about the square root of the size
  /// Bit `slot % 32` of word `slot >> shift_`: a bit for each slot of a big table, so that all stay in the
  /// nearest cache; a word for each of a small one, for a load of a word that was just written waits for the
  /// store.
  std::vector<uint32_t> taken_;
  std::vector<uint32_t> free_;  ///< the last few
  std::vector<BackendId> slots_;
};

}  // namespace sluice::lb
