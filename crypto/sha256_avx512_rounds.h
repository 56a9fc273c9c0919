// The rounds of SHA-256 in 32-bit lanes: 16 messages side by side, or two such groups interleaved. Only
// for the AVX-512 source files; all of it is internal to each, so that the linker shares none of it with
// code for other CPUs.
#pragma once

#include <immintrin.h>

#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

constexpr uint32_t kFirstPadding = 0x80000000;
template <unsigned kGroups>
struct State {
  __m512i word[8][kGroups];
};

template <unsigned kGroups>
struct Block {
  __m512i word[kGroups][16];
};

inline __m512i broadcast(uint32_t value) {
  return _mm512_set1_epi32(static_cast<int>(value));
}
inline __m512i add(__m512i a, __m512i b) {
  return _mm512_add_epi32(a, b);
}
inline __m512i xor3(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}
inline __m512i choose(__m512i e, __m512i f, __m512i g) {
  return _mm512_ternarylogic_epi32(e, f, g, 0xca);
}
inline __m512i majority(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0xe8);
}
inline __m512i big_sigma0(__m512i x) {
  return xor3(_mm512_ror_epi32(x, 2), _mm512_ror_epi32(x, 13), _mm512_ror_epi32(x, 22));
}
inline __m512i big_sigma1(__m512i x) {
  return xor3(_mm512_ror_epi32(x, 6), _mm512_ror_epi32(x, 11), _mm512_ror_epi32(x, 25));
}
inline __m512i small_sigma0(__m512i x) {
  return xor3(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18), _mm512_srli_epi32(x, 3));
}
inline __m512i small_sigma1(__m512i x) {
  return xor3(_mm512_ror_epi32(x, 17), _mm512_ror_epi32(x, 19), _mm512_srli_epi32(x, 10));
}
inline __m512i big_endian(__m512i words) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  return _mm512_shuffle_epi8(words, order);
}

/// The 16 words of a block from where `from(lane)` points, of 16 lanes. Half a block at a time, and two
/// lanes to a register as they are loaded: that takes one shuffle less, which one port alone executes.
template <typename From>
inline __attribute__((always_inline)) void load_words(From from, __m512i (&word)[16]) {
#pragma GCC unroll 2
  for (unsigned half = 0; half < 2; ++half) {
    const auto load = [&](unsigned lane) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from(lane) + 32 * half));
    };
    __m512i row[8], pair[8];
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; ++i) {
      const unsigned lane = i < 4 ? i : i + 4;
      row[i] = big_endian(_mm512_inserti64x4(_mm512_castsi256_si512(load(lane)), load(lane + 4), 1));
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 8; i += 2) {
      pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
      pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
#pragma GCC unroll 2
    for (unsigned i = 0; i < 8; i += 4) {
      row[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
      row[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
      row[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
      row[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
      word[8 * half + i] = _mm512_shuffle_i32x4(row[i], row[4 + i], 0x88);
      word[8 * half + 4 + i] = _mm512_shuffle_i32x4(row[i], row[4 + i], 0xdd);
    }
  }
}

/// One round with the additions associated so that only Sigma1 waits for the newest word.
template <unsigned kGroups>
inline __attribute__((always_inline)) void round(State<kGroups>& s, unsigned j, unsigned group,
                                                 __m512i word_and_constant) {
  const auto at = [&](unsigned k) -> __m512i& { return s.word[(k - j) & 7][group]; };
  const __m512i early = add(add(at(7), word_and_constant), choose(at(4), at(5), at(6)));
  const __m512i mixed = add(early, big_sigma1(at(4)));
  const __m512i top = add(big_sigma0(at(0)), majority(at(0), at(1), at(2)));
  at(3) = add(at(3), mixed);
  at(7) = add(mixed, top);
}

template <unsigned kGroups>
inline void start(State<kGroups>& state) {
#pragma GCC unroll 8
  for (unsigned k = 0; k < 8; ++k) {
#pragma GCC unroll 2
    for (unsigned g = 0; g < kGroups; ++g) state.word[k][g] = broadcast(kSha256Start[k]);
  }
}

template <unsigned kGroups>
inline void add_to(State<kGroups>& state, const State<kGroups>& s) {
#pragma GCC unroll 8
  for (unsigned k = 0; k < 8; ++k) {
#pragma GCC unroll 2
    for (unsigned g = 0; g < kGroups; ++g) state.word[k][g] = add(state.word[k][g], s.word[k][g]);
  }
}

/// The word of the schedule that takes the place of word `j`.
inline __attribute__((always_inline)) void schedule(__m512i (&w)[16], unsigned j) {
  w[j] = add(add(w[j], w[(j + 9) & 15]), add(small_sigma0(w[(j + 1) & 15]), small_sigma1(w[(j + 14) & 15])));
}

/// The rounds from `first` on, a multiple of 16; uses up `block`. Two groups hide each other's latency, and
/// go through rounds and schedule by turns because their schedules do not fit into the registers.
inline void rounds_from(unsigned first, State<2>& s, Block<2>& block) {
#pragma GCC unroll 1
  for (unsigned t = first; t < 64; t += 16) {
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; ++j) {
      const __m512i constant = broadcast(kSha256Rounds[t + j]);
      for (unsigned g = 0; g < 2; ++g) round(s, j, g, add(block.word[g][j], constant));
    }
    if (t == 48) break;
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; ++j)
      for (unsigned g = 0; g < 2; ++g) schedule(block.word[g], j);
  }
}

/// One group alone has its schedule to hide the rounds' latency, word by word; that also spreads the rotates,
/// which one port alone executes.
inline void rounds_from(unsigned first, State<1>& s, Block<1>& block) {
#pragma GCC unroll 1
  for (unsigned t = first; t < 48; t += 16) {
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; ++j) {
      round(s, j, 0, add(block.word[0][j], broadcast(kSha256Rounds[t + j])));
      schedule(block.word[0], j);
    }
  }
#pragma GCC unroll 16
  for (unsigned j = 0; j < 16; ++j) round(s, j, 0, add(block.word[0][j], broadcast(kSha256Rounds[48 + j])));
}

/// FIPS 180-4, 6.2.2 over one block of every lane; uses up `block`.
template <unsigned kGroups>
inline void compress(State<kGroups>& state, Block<kGroups>& block) {
  State<kGroups> s = state;
  rounds_from(0, s, block);
  add_to(state, s);
}

/// The same where the block, schedule and constants summed up, is one for all lanes.
template <unsigned kGroups>
inline void compress_constant(State<kGroups>& state, const uint32_t* sums) {
  State<kGroups> s = state;
#pragma GCC unroll 1
  for (unsigned t = 0; t < 64; t += 16) {
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; ++j) {
      const __m512i sum = broadcast(sums[t + j]);
#pragma GCC unroll 2
      for (unsigned g = 0; g < kGroups; ++g) round(s, j, g, sum);
    }
  }
  add_to(state, s);
}

/// Writes the digest of every lane for which `to(lane)` is not null.
template <unsigned kGroups, typename To>
inline void store_digests(const State<kGroups>& state, To to) {
  const __m512i front = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i back = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
  for (unsigned g = 0; g < kGroups; ++g) {
    __m512i pair[8], half[8];
#pragma GCC unroll 4
    for (unsigned k = 0; k < 8; k += 2) {
      pair[k] = _mm512_unpacklo_epi32(state.word[k][g], state.word[k + 1][g]);
      pair[k + 1] = _mm512_unpackhi_epi32(state.word[k][g], state.word[k + 1][g]);
    }
#pragma GCC unroll 2
    for (unsigned k = 0; k < 8; k += 4) {
      half[k] = big_endian(_mm512_unpacklo_epi64(pair[k], pair[k + 2]));
      half[k + 1] = big_endian(_mm512_unpackhi_epi64(pair[k], pair[k + 2]));
      half[k + 2] = big_endian(_mm512_unpacklo_epi64(pair[k + 1], pair[k + 3]));
      half[k + 3] = big_endian(_mm512_unpackhi_epi64(pair[k + 1], pair[k + 3]));
    }
    const auto put = [&](unsigned lane, __m256i digest) {
      if (uint8_t* at = to(16 * g + lane)) _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), digest);
    };
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; ++k) {
      const __m512i low = _mm512_permutex2var_epi64(half[k], front, half[4 + k]);
      const __m512i high = _mm512_permutex2var_epi64(half[k], back, half[4 + k]);
      put(k, _mm512_castsi512_si256(low));
      put(4 + k, _mm512_extracti64x4_epi64(low, 1));
      put(8 + k, _mm512_castsi512_si256(high));
      put(12 + k, _mm512_extracti64x4_epi64(high, 1));
    }
  }
}

}  // namespace
}  // namespace sluice::crypto
