// SHA-256 of Merkle nodes with AVX-512: 65-byte messages whose place and padding are known beforehand.
#include <immintrin.h>

#include "crypto/sha256_avx512_rounds.h"
#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

constexpr uint8_t kPrefix = 0x01;
constexpr unsigned kNodeBytes = 64;  // two digests, before the prefix

/// A node's message is 65 bytes: a block of prefix and 63 bytes, and one of the last byte and padding
/// that is the same for every node.
template <unsigned kGroups>
inline void hash_nodes(const uint8_t* children, uint8_t* parents, unsigned count) {
  State<kGroups> state;
  Block<kGroups> block;
  const __m512i prefix = _mm512_zextsi128_si512(_mm_cvtsi32_si128(kPrefix));
  alignas(64) uint32_t last_byte[16 * kGroups];
  for (unsigned g = 0; g < kGroups; ++g) {
    __m512i row[16];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; ++i) {
      const unsigned lane = 16 * g + i;
      const uint8_t* pair = children + size_t{lane < count ? lane : 0} * kNodeBytes;
      row[i] = big_endian(_mm512_mask_loadu_epi8(prefix, ~__mmask64{1}, pair - 1));
      last_byte[lane] = pair[kNodeBytes - 1];
    }
    transpose(row);
#pragma GCC unroll 16
    for (unsigned t = 0; t < 16; ++t) block.word[g][t] = row[t];
  }
  start(state);
  compress(state, block);
  for (unsigned g = 0; g < kGroups; ++g) {
    const __m512i bytes = _mm512_slli_epi32(_mm512_load_si512(last_byte + 16 * g), 24);
    block.word[g][0] = _mm512_or_si512(bytes, broadcast(kFirstPadding >> 8));
    for (unsigned t = 1; t < 15; ++t) block.word[g][t] = _mm512_setzero_si512();
    block.word[g][15] = broadcast((kNodeBytes + 1) * 8);
  }
  compress(state, block);
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
