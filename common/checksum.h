// The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Any thread; pure.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

namespace sluice {

/// The unfolded sum of the 32-byte blocks of `size` bytes: what is vectors' work of a long packet.
[[gnu::noinline]] inline uint64_t checksum_add_blocks(const uint8_t* bytes, size_t size) {
  __m256i lanes = _mm256_setzero_si256();
  for (size_t i = 0; i + 16 <= size / 32 * 32; i += 16) {
    const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    lanes = _mm256_add_epi64(lanes, _mm256_cvtepu32_epi64(words));
  }
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(pair)) + static_cast<uint64_t>(_mm_extract_epi64(pair, 1));
}

/// The unfolded one's complement sum of `size` bytes, continued from `sum`. An odd last byte counts as
/// if a zero byte followed it; so only the last piece of a message may be odd.
[[gnu::always_inline]] inline uint64_t checksum_add(const void* data, size_t size, uint64_t sum = 0) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (size >= 64) {
    sum += checksum_add_blocks(bytes, size);
    bytes += size / 32 * 32;
    size %= 32;
  }
  unsigned __int128 wide = 0;
  for (; size >= 16; bytes += 16, size -= 16) {
    wide += load<uint64_t>(bytes);
    wide += load<uint64_t>(bytes + 8);
  }
  if ((size & 8) != 0) {
    wide += load<uint64_t>(bytes);
    bytes += 8;
  }
  if ((size & 4) != 0) {
    wide += load<uint32_t>(bytes);
    bytes += 4;
  }
  if ((size & 2) != 0) {
    wide += load<uint16_t>(bytes);
    bytes += 2;
  }
  if ((size & 1) != 0) wide += *bytes;
  return sum + static_cast<uint32_t>(wide) + static_cast<uint64_t>(wide >> 32);
}

/// Folds a sum to 16 bits, not complemented.
inline uint16_t checksum_fold(uint64_t sum) {
  // Added to itself the other way round, each half becomes the sum of both, and the upper gets the carry.
  const auto half = static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
  return static_cast<uint16_t>((half + std::rotl(half, 16)) >> 16);
}

/// Whether the sum over data that include their checksum says that they are whole: whether it folds to
/// 0xffff, which a sum does that is a multiple of it and not zero. One multiplication by the inverse tells
/// (Granlund and Montgomery, 1994, section 9).
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

/// What a replaced field changes in a checksum: build one per rewrite, apply it to every checksum that
/// covers the field. Fields are 16-bit aligned within the checksummed data, as all IP, TCP, UDP and
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
  /// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
  Be16 apply(Be16 checksum) const {
    constexpr int64_t kBias = int64_t{0xffff} << 32;  // a multiple of 0xffff, which changes no folded sum
    const int64_t sum = kBias + difference_ + static_cast<uint16_t>(~checksum.network());
    return checksum_finish(static_cast<uint64_t>(sum));
  }

 private:
  int64_t difference_ = 0;  ///< of what was replaced; at most 2^32 for each word
};

}  // namespace sluice
