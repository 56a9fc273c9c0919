// The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Any thread; pure.
#pragma once

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

namespace sluice {

/// The last `size` (1 to 16) of the sixteen bytes before `end`, with zeros behind them.
inline __m128i load_tail(const uint8_t* end, size_t size) {
  // Sixteen bytes of this, from a place that depends on the size, say which byte goes where; 0x80 makes a
  // zero.
  alignas(32) static constexpr std::array<uint8_t, 32> kPlaces = {
      0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
      0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
  return _mm_shuffle_epi8(load<__m128i>(end - 16), load<__m128i>(kPlaces.data() + 16 - size));
}

/// The unfolded sum of less than 16 bytes.
inline uint64_t checksum_add_few(const uint8_t* bytes, size_t size, uint64_t sum) {
  if ((size & 8) != 0) {
    sum += uint64_t{load<uint32_t>(bytes)} + load<uint32_t>(bytes + 4);
    bytes += 8;
  }
  if ((size & 4) != 0) {
    sum += load<uint32_t>(bytes);
    bytes += 4;
  }
  if ((size & 2) != 0) {
    sum += load<uint16_t>(bytes);
    bytes += 2;
  }
  return (size & 1) != 0 ? sum + *bytes : sum;
}

/// The unfolded sum of whole blocks of 64 bytes, at most 64 KiB. Words of 16 bits are added in pairs to lanes
/// of 32, by an instruction that takes them for signed: so each is made less by 0x8000 before, which is added
/// again at the end.
inline uint64_t checksum_add_blocks(const uint8_t* bytes, size_t blocks) {
  constexpr size_t kHalf = 32;
  constexpr uint64_t kWordsOfBlock = 2 * kHalf / 2, kLess = 0x8000;
  const __m256i less = _mm256_set1_epi16(static_cast<short>(kLess)), once = _mm256_set1_epi16(1);
  const auto pairs = [&](const uint8_t* half) {
    return _mm256_madd_epi16(_mm256_xor_si256(load<__m256i>(half), less), once);
  };
  __m256i first = _mm256_setzero_si256(), second = first;
  for (const uint8_t* const end = bytes + blocks * 2 * kHalf; bytes != end; bytes += 2 * kHalf) {
    first = _mm256_add_epi32(first, pairs(bytes));
    second = _mm256_add_epi32(second, pairs(bytes + kHalf));
  }
  const __m256i lanes = _mm256_add_epi32(first, second);
  const __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(lanes)),
                                        _mm256_cvtepi32_epi64(_mm256_extracti128_si256(lanes, 1)));
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  const auto sum =
      static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair))));
  return sum + blocks * kWordsOfBlock * kLess;
}

/// The unfolded one's complement sum of `size` bytes, continued from `sum`. An odd last byte counts as
/// if a zero byte followed it; so only the last piece of a message may be odd.
[[gnu::always_inline]] inline uint64_t checksum_add(const void* data, size_t size, uint64_t sum = 0) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (size < 16) return checksum_add_few(bytes, size, sum);
  const uint8_t* const end = bytes + size;
  if (size >= 128) {
    const size_t blocks = size / 64;
    sum += checksum_add_blocks(bytes, blocks);
    bytes += blocks * 64;
  }
  __m256i lanes = _mm256_setzero_si256();
  for (; end - bytes >= 16; bytes += 16) {
    lanes = _mm256_add_epi64(lanes, _mm256_cvtepu32_epi64(load<__m128i>(bytes)));
  }
  if (bytes != end) {  // of at least sixteen
    const __m128i tail = load_tail(end, static_cast<size_t>(end - bytes));
    lanes = _mm256_add_epi64(lanes, _mm256_cvtepu32_epi64(tail));
  }
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  return sum + static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair))));
}

/// Folds a sum to 16 bits, not complemented.
inline uint16_t checksum_fold(uint64_t sum) {
  // Added to itself the other way round, each half becomes the sum of both, and the upper gets the carry.
  const auto half = static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
  return static_cast<uint16_t>((half + std::rotl(half, 16)) >> 16);
}

/// Whether the sum over data and their checksum folds to 0xffff, as it does where nothing was damaged. Sums
/// that do are the multiples of 0xffff but 0, which one multiplication by its inverse finds (Granlund and
/// Montgomery, 1994, section 9).
inline bool checksum_is_right(uint64_t sum) {
  constexpr uint64_t kQuotients = UINT64_MAX / 0xffff;
  constexpr uint64_t kInverse = -kQuotients;
  static_assert(kInverse * 0xffff == 1);
  return sum * kInverse - 1 < kQuotients;
}

/// The checksum field for a sum: folded and complemented.
inline Be16 checksum_finish(uint64_t sum) {
  return Be16::from_network(static_cast<uint16_t>(~checksum_fold(sum)));
}

/// What replaced fields change in a checksum: build one per rewrite, apply it to every checksum that
/// covers the fields. Fields are 16-bit aligned within the checksummed data, as all IP, TCP, UDP and
/// ICMP fields are.
class ChecksumDelta {
 public:
  /// Notes that the 16 bytes at `before` become those at `after`.
  void replace_16_bytes(const void* before, const void* after) {
    for (size_t i = 0; i < 16; i += 4) {
      replace(load<Be32>(static_cast<const uint8_t*>(before) + i),
              load<Be32>(static_cast<const uint8_t*>(after) + i));
    }
  }
  void replace(Be16 before, Be16 after) { difference_ += int64_t{after.network()} - before.network(); }
  void replace(Be32 before, Be32 after) { difference_ += int64_t{after.network()} - before.network(); }
  /// Notes the changes of another part of the same data.
  void add(const ChecksumDelta& other) { difference_ += other.difference_; }
  /// The change from the new fields back to the old ones.
  ChecksumDelta inverse() const {
    ChecksumDelta back;
    back.difference_ = -difference_;
    return back;
  }
  /// The one's complement number that checksum_changed() is to add to a checksum.
  uint16_t summand() const {
    return static_cast<uint16_t>(~checksum_fold(static_cast<uint64_t>(kBias + difference_)));
  }
  /// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
  Be16 apply(Be16 checksum) const {
    const int64_t sum = kBias + difference_ + static_cast<uint16_t>(~checksum.network());
    return checksum_finish(static_cast<uint64_t>(sum));
  }

 private:
  static constexpr int64_t kBias = int64_t{0xffff}
                                   << 32;  ///< a multiple of 0xffff, which changes no folded sum

  int64_t difference_ = 0;  ///< sum of new fields less that of old ones; at most 2^32 for each word
};

/// What ChecksumDelta::apply() makes of a checksum, by ChecksumDelta::summand(). Both are as they lie in the
/// packet. Never 0xffff, as no checksum is over data that are not all zero.
inline uint16_t checksum_changed(uint16_t checksum, uint16_t summand) {
  const uint32_t sum = uint32_t{checksum} + summand;
  return static_cast<uint16_t>(sum + ((sum + 1) >> 16));
}
/// The same in the upper half of a word, whose lower half is not looked at.
inline uint32_t upper_checksum_changed(uint32_t word, uint16_t summand) {
  const uint64_t sum = word + (uint64_t{summand} << 16);
  return static_cast<uint32_t>(sum + ((sum + 0x1'0000) >> 32 << 16));
}

}  // namespace sluice
