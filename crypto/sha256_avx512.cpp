// SHA-256 of the messages of a LaneGroup with AVX-512.
#include <immintrin.h>

#include "crypto/sha256_avx512_rounds.h"
#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

alignas(64) constexpr uint8_t kZeros[64] = {};

/// What a group's lengths and kinds come down to.
template <unsigned kGroups>
struct Shape {
  __m512i total[kGroups];
  __m512i blocks[kGroups];  // of 64 bytes, padding included
  uint32_t prefixed = 0;    // one bit a lane
  uint32_t twice = 0;
  uint32_t whole_blocks = UINT32_MAX;  // blocks of data alone that every lane has
  uint32_t least_blocks = UINT32_MAX;
  uint32_t most_blocks = 0;

  explicit Shape(const LaneGroup& group) {
    for (unsigned g = 0; g < kGroups; ++g) {
      total[g] = _mm512_loadu_si512(group.total + 16 * g);
      const __m512i padded = _mm512_srli_epi32(add(total[g], broadcast(8)), 6);
      blocks[g] = add(padded, broadcast(1));
      const __m128i kind = _mm_loadu_si128(reinterpret_cast<const __m128i*>(group.kind + 16 * g));
      prefixed |= uint32_t{_mm_test_epi8_mask(kind, _mm_set1_epi8(kPrefixed))} << (16 * g);
      twice |= uint32_t{_mm_test_epi8_mask(kind, _mm_set1_epi8(kTwice))} << (16 * g);
      const uint32_t whole = _mm512_reduce_min_epu32(total[g]) / 64;
      const uint32_t least = _mm512_reduce_min_epu32(blocks[g]);
      const uint32_t most = _mm512_reduce_max_epu32(blocks[g]);
      whole_blocks = whole < whole_blocks ? whole : whole_blocks;
      least_blocks = least < least_blocks ? least : least_blocks;
      most_blocks = most > most_blocks ? most : most_blocks;
    }
  }
};

/// The block at `index` of one lane where it may hold a prefix, the end of the message or nothing.
inline __m512i load_edge(const LaneGroup& group, unsigned lane, uint32_t index) {
  const int64_t left = int64_t{group.total[lane]} - int64_t{index} * 64;
  const unsigned here = left <= 0 ? 0 : left >= 64 ? 64 : static_cast<unsigned>(left);
  const uint64_t prefix = index == 0 ? group.kind[lane] & kPrefixed : 0;
  const uint8_t* from = left > 0 ? group.start[lane] + uint64_t{index} * 64 : kZeros;
  const uint64_t end = static_cast<uint64_t>(left) < 64 ? uint64_t{1} << left : 0;
  __m512i bytes = _mm512_maskz_loadu_epi8(_bzhi_u64(~uint64_t{0}, here) & ~prefix, from);
  if (index == 0) {
    const int value = (group.kind[lane] & kNodePrefix) / kNodePrefix;
    bytes = _mm512_or_si512(bytes, _mm512_zextsi128_si512(_mm_cvtsi32_si128(value)));
  }
  return _mm512_mask_mov_epi8(bytes, end, _mm512_set1_epi8(static_cast<char>(0x80)));
}

template <unsigned kGroups>
inline void load_block(const LaneGroup& group, const Shape<kGroups>& shape, uint32_t index,
                       Block<kGroups>& block) {
  const bool plain = index < shape.whole_blocks && (index != 0 || shape.prefixed == 0);
  for (unsigned g = 0; g < kGroups; ++g) {
    __m512i(&word)[16] = block.word[g];
    if (plain) {
      load_words([&](unsigned lane) { return group.start[16 * g + lane] + uint64_t{index} * 64; }, word);
    } else {
      alignas(64) uint8_t edge[16][64];
      for (unsigned lane = 0; lane < 16; ++lane)
        _mm512_store_si512(edge[lane], load_edge(group, 16 * g + lane, index));
      load_words([&](unsigned lane) { return edge[lane]; }, word);
    }
    if (index + 1 >= shape.least_blocks) {
      const __mmask16 last = _mm512_cmpeq_epi32_mask(shape.blocks[g], broadcast(index + 1));
      word[15] = _mm512_mask_or_epi32(word[15], last, word[15], _mm512_slli_epi32(shape.total[g], 3));
    }
  }
}

/// Replaces the state by the state after hashing it as a 32-byte message, in the lanes of `twice`.
template <unsigned kGroups>
inline void hash_state_again(State<kGroups>& state, uint32_t twice) {
  Block<kGroups> block;
  State<kGroups> second;
  for (unsigned g = 0; g < kGroups; ++g) {
    for (unsigned k = 0; k < 8; ++k) block.word[g][k] = state.word[k][g];
    for (unsigned k = 9; k < 15; ++k) block.word[g][k] = _mm512_setzero_si512();
    block.word[g][8] = broadcast(kFirstPadding);
    block.word[g][15] = broadcast(32 * 8);
  }
  start(second);
  compress(second, block);
  for (unsigned g = 0; g < kGroups; ++g) {
    const auto lanes = static_cast<__mmask16>(twice >> (16 * g));
    for (unsigned k = 0; k < 8; ++k)
      state.word[k][g] = _mm512_mask_mov_epi32(state.word[k][g], lanes, second.word[k][g]);
  }
}

template <unsigned kGroups>
inline void hash_group(const LaneGroup& group) {
  const Shape<kGroups> shape(group);
  State<kGroups> state, done;
  start(state);
  for (uint32_t index = 0; index < shape.most_blocks; ++index) {
    if (index + 1 == shape.most_blocks && group.padding != nullptr) {
      compress_constant(state, group.padding);
    } else {
      Block<kGroups> block;
      load_block(group, shape, index, block);
      compress(state, block);
    }
    if (index + 1 < shape.least_blocks) continue;
    for (unsigned g = 0; g < kGroups; ++g) {
      const __mmask16 last = _mm512_cmpeq_epi32_mask(shape.blocks[g], broadcast(index + 1));
#pragma GCC unroll 8
      for (unsigned k = 0; k < 8; ++k)
        done.word[k][g] = _mm512_mask_mov_epi32(done.word[k][g], last, state.word[k][g]);
    }
  }
  if (shape.twice != 0) hash_state_again(done, shape.twice);
  store_digests(done, [&](unsigned lane) { return group.digest[lane]; });
}

}  // namespace

void sha256_avx512_x16(const LaneGroup& group) {
  hash_group<1>(group);
}
void sha256_avx512_x32(const LaneGroup& group) {
  hash_group<2>(group);
}

}  // namespace sluice::crypto
