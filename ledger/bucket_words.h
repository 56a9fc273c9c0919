// A bucket of the dedupe window as the vectors compare it: one cache line of sixteen words. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>

namespace sluice::ledger {

/// The first word is none of the slots.
struct alignas(64) BucketWords : std::array<uint32_t, 16> {};

/// Bit i: word i is `value` where `mask` has bits. Never bit 0. With AVX2, which every CPU that Sluice runs
/// on has.
inline uint32_t slots_equal(const BucketWords& words, uint32_t mask, uint32_t value) {
  const __m256i bits = _mm256_set1_epi32(static_cast<int>(mask));
  const __m256i wanted = _mm256_set1_epi32(static_cast<int>(value));
  const auto half = [&](size_t first) {
    const __m256i eight = _mm256_load_si256(reinterpret_cast<const __m256i*>(words.data() + first));
    const __m256i equal = _mm256_cmpeq_epi32(_mm256_and_si256(eight, bits), wanted);
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal)));
  };
  return (half(0) | half(8) << 8) & ~1u;
}

/// The same word by word: what the vectors are held to.
inline uint32_t slots_equal_one_by_one(const BucketWords& words, uint32_t mask, uint32_t value) {
  uint32_t equal = 0;
  for (unsigned i = 1; i < words.size(); ++i) equal |= uint32_t{(words[i] & mask) == value} << i;
  return equal;
}

}  // namespace sluice::ledger
