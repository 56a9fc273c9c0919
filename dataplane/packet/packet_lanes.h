// A 32-bit word of each of eight packets, side by side in an AVX2 register, and what is asked of all eight at
// once. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

namespace sluice::dataplane {

/// The words as they lie in the packets, and what is made of them.
using Lanes [[gnu::vector_size(32)]] = uint32_t;
using Verdicts [[gnu::vector_size(32)]] = int32_t;  ///< all ones: yes

/// A number in every lane. It is no constant to the compiler, which would put one together in three
/// instructions wherever it is used, in the place of one that loads it as it uses it.
template <uint32_t kNumber>
[[gnu::visibility("hidden")]] inline constinit Lanes lanes_of = {kNumber, kNumber, kNumber, kNumber,
                                                                 kNumber, kNumber, kNumber, kNumber};

inline Verdicts are_less(Lanes a, Lanes b) {
  return reinterpret_cast<Verdicts>(a) < reinterpret_cast<Verdicts>(b);
}

/// Sixteen bytes of one and of another, side by side.
[[gnu::always_inline]] inline __m256i load_rows(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load<__m128i>(low)), load<__m128i>(high), 1);
}

/// Four words at byte `offset` of each of eight things, transposed.
template <typename T>
[[gnu::always_inline]] inline std::array<Lanes, 4> load_four(T* const* eight, size_t offset) {
  const auto at = [&](size_t i) { return reinterpret_cast<const uint8_t*>(eight[i]) + offset; };
  const auto pair = [&](size_t i) { return load_rows(at(i), at(i + 4)); };
  const __m256i a = pair(0), b = pair(1), c = pair(2), d = pair(3);
  const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
  const __m256i ab2 = _mm256_unpackhi_epi32(a, b), cd2 = _mm256_unpackhi_epi32(c, d);
  return {reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(ab, cd)),
          reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(ab, cd)),
          reinterpret_cast<Lanes>(_mm256_unpacklo_epi64(ab2, cd2)),
          reinterpret_cast<Lanes>(_mm256_unpackhi_epi64(ab2, cd2))};
}

/// The byte or big-endian 16-bit field at byte `at` of each word, as a number.
template <uint8_t at>
[[gnu::always_inline]] inline Lanes byte_of(Lanes words) {
  return words >> (8 * at) & lanes_of<0xff>;
}
template <uint8_t at>
[[gnu::always_inline]] inline Lanes field_of(Lanes words) {
  constexpr uint32_t kPlaces = 0x8080'0000u + at * 0x100u + at + 1;
  const Lanes lane = {0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c};
  return reinterpret_cast<Lanes>(
      _mm256_shuffle_epi8(reinterpret_cast<__m256i>(words), reinterpret_cast<__m256i>(lane + kPlaces)));
}

/// Words that are added one after another to checksums, 2^8 at most, and what is below 2^20 besides: their
/// sum, and that of their upper halves, tell that of the lower ones.
class HalvesSum {
 public:
  template <typename... More>
  [[gnu::always_inline]] void add(Lanes words, More... more) {
    words_ += words;
    upper_ += words >> 16;
    if constexpr (sizeof...(more) != 0) add(more...);
  }
  /// The same for what is below 2^20.
  [[gnu::always_inline]] void add_halves(Lanes halves) { words_ += halves; }
  /// checksum_is_right(). The sum of all halves is `words_` less 0xffff for each of `upper_`, and its
  /// quotient by 0xffff is small if it is a multiple of that.
  [[gnu::always_inline]] Verdicts are_right() const {
    static_assert(kInverse * 0xffff == 1);
    const Lanes quotients = words_ * lanes_of<kInverse> - upper_;
    return (quotients - lanes_of<1>) >> 16 == 0;
  }

 private:
  static constexpr uint32_t kInverse = 0xfffe'ffff;

  Lanes words_{}, upper_{};
};

/// How many bits of the first kBytes of packets are behind their ends, which are at most 2^16 bytes away.
template <uint32_t kBytes>
[[gnu::always_inline]] inline Lanes bits_beyond(Lanes total) {
  return reinterpret_cast<Lanes>(
             _mm256_subs_epu16(reinterpret_cast<__m256i>(lanes_of<kBytes>), reinterpret_cast<__m256i>(total)))
         << 3;
}
/// The words in front of the last kBehind of those bytes, without what is behind the ends: that is at the
/// upper end of its word.
template <uint32_t kBehind>
[[gnu::always_inline]] inline Lanes cut(Lanes words, Lanes bits_beyond) {
  auto beyond = reinterpret_cast<__m256i>(bits_beyond);
  if constexpr (kBehind != 0)
    beyond = _mm256_subs_epu16(beyond, reinterpret_cast<__m256i>(lanes_of<8 * kBehind>));
  return words & reinterpret_cast<Lanes>(_mm256_srlv_epi32(_mm256_set1_epi32(-1), beyond));
}

/// For each of eight a word and another behind it, to be stored at once.
class EightPairs {
 public:
  [[gnu::always_inline]] EightPairs(Lanes first, Lanes second) {
    const auto a = reinterpret_cast<__m256i>(first), b = reinterpret_cast<__m256i>(second);
    pairs_ = {reinterpret_cast<Pairs>(_mm256_unpacklo_epi32(a, b)),
              reinterpret_cast<Pairs>(_mm256_unpackhi_epi32(a, b))};
  }
  [[gnu::always_inline]] uint64_t operator[](size_t i) const { return pairs_[i / 2 % 2][i / 4 * 2 + i % 2]; }

 private:
  using Pairs [[gnu::vector_size(32)]] = uint64_t;

  std::array<Pairs, 2> pairs_;
};

/// The lanes that have a bit.
[[gnu::always_inline]] inline Verdicts verdicts_of(uint32_t bits) {
  const Lanes lane = {1, 2, 4, 8, 16, 32, 64, 128};
  return ((Lanes{} + bits) & lane) == lane;
}
/// A bit for each lane.
[[gnu::always_inline]] inline uint32_t bits_of(Verdicts verdicts) {
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(verdicts)));
}

}  // namespace sluice::dataplane
