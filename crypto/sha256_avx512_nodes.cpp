// SHA-256 of Merkle nodes with AVX-512: 65-byte messages whose place and padding are known beforehand.
#include <immintrin.h>

#include "crypto/sha256_avx512_rounds.h"
#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

constexpr uint8_t kPrefix = 0x01;
constexpr unsigned kNodeBytes = 64;  // two digests, before the prefix

/// Words 1 to 14 of a node's second block are zero: what they would add is left out.
constexpr bool is_zero(unsigned word) {
  return word >= 1 && word <= 14;
}

/// The schedule's sixteen words after them.
inline void schedule_last_byte(__m512i (&w)[16]) {
#pragma GCC unroll 16
  for (unsigned j = 0; j < 16; ++j) {
    __m512i sum = is_zero(j) ? _mm512_setzero_si512() : w[j];
    if (!is_zero(j + 9)) sum = add(sum, w[(j + 9) & 15]);
    if (!is_zero(j + 1)) sum = add(sum, small_sigma0(w[(j + 1) & 15]));
    if (!is_zero(j + 14)) sum = add(sum, small_sigma1(w[(j + 14) & 15]));
    w[j] = sum;
  }
}

/// The block of a node's last byte and of padding that is the same for every node.
template <unsigned kGroups>
inline void compress_last_byte(State<kGroups>& state, const uint32_t* last_byte) {
  Block<kGroups> block;
  State<kGroups> s = state;
  for (unsigned g = 0; g < kGroups; ++g) {
    const __m512i byte = _mm512_slli_epi32(_mm512_load_si512(last_byte + 16 * g), 24);
    block.word[g][0] = _mm512_or_si512(byte, broadcast(kFirstPadding >> 8));
    block.word[g][15] = broadcast((kNodeBytes + 1) * 8);
  }
#pragma GCC unroll 16
  for (unsigned j = 0; j < 16; ++j) {
    const __m512i constant = broadcast(kSha256Rounds[j]);
#pragma GCC unroll 2
    for (unsigned g = 0; g < kGroups; ++g)
      round(s, j, g, is_zero(j) ? constant : add(block.word[g][j], constant));
  }
  for (unsigned g = 0; g < kGroups; ++g) schedule_last_byte(block.word[g]);
  rounds_from(16, s, block);
  add_to(state, s);
}

/// A node's message is 65 bytes: a block of prefix and 63 bytes, and one of the last byte.
template <unsigned kGroups>
inline void hash_nodes(const uint8_t* children, uint8_t* parents, unsigned count) {
  State<kGroups> state;
  Block<kGroups> block;
  // The first pair is read from here: what lies before it may be no memory of ours.
  alignas(64) uint8_t first[kNodeBytes + 1];
  _mm512_store_si512(first, _mm512_maskz_loadu_epi8(~__mmask64{1}, children - 1));
  first[kNodeBytes] = children[kNodeBytes - 1];
  alignas(64) uint32_t last_byte[16 * kGroups];
  for (unsigned g = 0; g < kGroups; ++g) {
    const auto from = [&](unsigned i) -> const uint8_t* {
      const unsigned lane = 16 * g + i;
      return lane == 0 || lane >= count ? first : children + size_t{lane} * kNodeBytes - 1;
    };
    load_words(from, block.word[g]);
    __m512i& front = block.word[g][0];
    front = _mm512_or_si512(_mm512_and_si512(front, broadcast(0x00ffffff)), broadcast(kPrefix << 24));
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; ++i) last_byte[16 * g + i] = from(i)[kNodeBytes];
  }
  start(state);
  compress(state, block);
  compress_last_byte(state, last_byte);
  store_digests(state, [&](unsigned lane) { return lane < count ? parents + size_t{lane} * 32 : nullptr; });
}

}  // namespace

void sha256_avx512_nodes_x16(const uint8_t* children, uint8_t* parents, unsigned count) {
  hash_nodes<1>(children, parents, count);
}
void sha256_avx512_nodes_x32(const uint8_t* children, uint8_t* parents, unsigned count) {
  hash_nodes<2>(children, parents, count);
}

}  // namespace sluice::crypto
