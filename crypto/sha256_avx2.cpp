// SHA-256 with AVX2: eight messages side by side, a 32-bit word of each in a register. For CPUs that have
// neither AVX-512 nor the SHA extensions.
#include <immintrin.h>

#include <cstring>

#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

constexpr size_t kBlock = 64;
constexpr size_t kNodeBytes = 64;  // two digests, before the prefix
constexpr uint8_t kNodePrefixByte = 0x01;
constexpr uint8_t kFirstPaddingByte = 0x80;

struct State {
  __m256i word[8];
};
struct Block {
  __m256i word[16];
};

inline __m256i broadcast(uint32_t value) {
  return _mm256_set1_epi32(static_cast<int>(value));
}
inline __m256i add(__m256i a, __m256i b) {
  return _mm256_add_epi32(a, b);
}
inline __m256i exclusive_or(__m256i a, __m256i b) {
  return _mm256_xor_si256(a, b);
}
template <int kBits>
inline __m256i rotate(__m256i x) {
  return _mm256_or_si256(_mm256_srli_epi32(x, kBits), _mm256_slli_epi32(x, 32 - kBits));
}
inline __m256i choose(__m256i e, __m256i f, __m256i g) {
  return exclusive_or(g, _mm256_and_si256(e, exclusive_or(f, g)));
}
inline __m256i majority(__m256i a, __m256i b, __m256i c) {
  return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
}
inline __m256i big_sigma0(__m256i x) {
  return exclusive_or(rotate<2>(x), exclusive_or(rotate<13>(x), rotate<22>(x)));
}
inline __m256i big_sigma1(__m256i x) {
  return exclusive_or(rotate<6>(x), exclusive_or(rotate<11>(x), rotate<25>(x)));
}
inline __m256i small_sigma0(__m256i x) {
  return exclusive_or(rotate<7>(x), exclusive_or(rotate<18>(x), _mm256_srli_epi32(x, 3)));
}
inline __m256i small_sigma1(__m256i x) {
  return exclusive_or(rotate<17>(x), exclusive_or(rotate<19>(x), _mm256_srli_epi32(x, 10)));
}
inline __m256i big_endian(__m256i words) {
  return _mm256_shuffle_epi8(
      words, _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203)));
}

/// Rows of eight words become columns.
inline __attribute__((always_inline)) void transpose(__m256i (&row)[8]) {
  __m256i pair[8], four[8];
#pragma GCC unroll 4
  for (unsigned i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
  }
#pragma GCC unroll 2
  for (unsigned i = 0; i < 8; i += 4) {
    four[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
#pragma GCC unroll 4
  for (unsigned i = 0; i < 4; ++i) {
    row[i] = _mm256_permute2x128_si256(four[i], four[4 + i], 0x20);
    row[4 + i] = _mm256_permute2x128_si256(four[i], four[4 + i], 0x31);
  }
}

/// The 16 words of a block from where `from(lane)` points, of 8 lanes.
template <typename From>
inline __attribute__((always_inline)) void load_words(From from, Block& block) {
#pragma GCC unroll 2
  for (unsigned half = 0; half < 2; ++half) {
    __m256i row[8];
#pragma GCC unroll 8
    for (unsigned lane = 0; lane < 8; ++lane)
      row[lane] = big_endian(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from(lane) + 32 * half)));
    transpose(row);
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; ++i) block.word[8 * half + i] = row[i];
  }
}

/// Writes the digest of every lane for which `to(lane)` is not null; uses up `state`.
template <typename To>
inline void store_digests(State& state, To to) {
  transpose(state.word);
  for (unsigned lane = 0; lane < 8; ++lane)
    if (uint8_t* at = to(lane))
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), big_endian(state.word[lane]));
}

inline State start() {
  State state;
#pragma GCC unroll 8
  for (unsigned k = 0; k < 8; ++k) state.word[k] = broadcast(kSha256Start[k]);
  return state;
}

inline void add_to(State& state, const State& s) {
#pragma GCC unroll 8
  for (unsigned k = 0; k < 8; ++k) state.word[k] = add(state.word[k], s.word[k]);
}

/// One round with the additions associated so that only Sigma1 waits for the newest word.
inline __attribute__((always_inline)) void round(State& s, unsigned j, __m256i word_and_constant) {
  const auto at = [&](unsigned k) -> __m256i& { return s.word[(k - j) & 7]; };
  const __m256i early = add(add(at(7), word_and_constant), choose(at(4), at(5), at(6)));
  const __m256i mixed = add(early, big_sigma1(at(4)));
  const __m256i top = add(big_sigma0(at(0)), majority(at(0), at(1), at(2)));
  at(3) = add(at(3), mixed);
  at(7) = add(mixed, top);
}

/// The word of the schedule that takes the place of word `j`.
inline __attribute__((always_inline)) void schedule(__m256i (&w)[16], unsigned j) {
  w[j] = add(add(w[j], w[(j + 9) & 15]), add(small_sigma0(w[(j + 1) & 15]), small_sigma1(w[(j + 14) & 15])));
}

/// FIPS 180-4, 6.2.2 over one block of every lane; uses up `block`.
inline void compress(State& state, Block& block) {
  State s = state;
#pragma GCC unroll 1
  for (unsigned t = 0; t < 48; t += 16) {
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; ++j) {
      round(s, j, add(block.word[j], broadcast(kSha256Rounds[t + j])));
      schedule(block.word, j);
    }
  }
#pragma GCC unroll 16
  for (unsigned j = 0; j < 16; ++j) round(s, j, add(block.word[j], broadcast(kSha256Rounds[48 + j])));
  add_to(state, s);
}

/// The same where the block, schedule and constants summed up, is one for all lanes.
inline void compress_constant(State& state, const uint32_t* sums) {
  State s = state;
#pragma GCC unroll 1
  for (unsigned t = 0; t < 64; t += 16) {
#pragma GCC unroll 16
    for (unsigned j = 0; j < 16; ++j) round(s, j, broadcast(sums[t + j]));
  }
  add_to(state, s);
}

/// What a group's lengths and kinds come down to.
struct Shape {
  uint32_t blocks[kAvx2Lanes];  // of 64 bytes, padding included
  bool any_prefix = false;
  bool any_twice = false;
  uint32_t whole_blocks = UINT32_MAX;  // blocks of data alone that every lane has
  uint32_t least_blocks = UINT32_MAX;
  uint32_t most_blocks = 0;

  explicit Shape(const LaneGroup& group) {
    for (unsigned lane = 0; lane < kAvx2Lanes; ++lane) {
      blocks[lane] = (group.total[lane] + 8) / 64 + 1;
      const uint32_t whole = group.total[lane] / 64;
      any_prefix |= (group.kind[lane] & kPrefixed) != 0;
      any_twice |= (group.kind[lane] & kTwice) != 0;
      whole_blocks = whole < whole_blocks ? whole : whole_blocks;
      least_blocks = blocks[lane] < least_blocks ? blocks[lane] : least_blocks;
      most_blocks = blocks[lane] > most_blocks ? blocks[lane] : most_blocks;
    }
  }
};

/// Puts together the block at `index` of one lane where it may hold a prefix, the end of the message or
/// nothing.
inline void put_edge(const LaneGroup& group, const Shape& shape, unsigned lane, uint32_t index,
                     uint8_t* edge) {
  const uint32_t total = group.total[lane];
  const uint64_t begin = uint64_t{index} * kBlock;
  const size_t skipped = index == 0 ? group.kind[lane] & kPrefixed : 0;
  const size_t here = total <= begin ? 0 : total - begin < kBlock ? total - begin : kBlock;
  std::memset(edge, 0, kBlock);
  if (here > skipped) std::memcpy(edge + skipped, group.start[lane] + begin + skipped, here - skipped);
  if (skipped != 0 && (group.kind[lane] & kNodePrefix) != 0) edge[0] = kNodePrefixByte;
  if (total >= begin && here < kBlock) edge[here] = kFirstPaddingByte;
  if (index + 1 != shape.blocks[lane]) return;
  const uint64_t bits = __builtin_bswap64(uint64_t{total} * 8);
  std::memcpy(edge + kBlock - 8, &bits, sizeof bits);
}

inline void load_block(const LaneGroup& group, const Shape& shape, uint32_t index, Block& block) {
  if (index < shape.whole_blocks && (index != 0 || !shape.any_prefix))
    return load_words([&](unsigned lane) { return group.start[lane] + uint64_t{index} * kBlock; }, block);
  alignas(64) uint8_t edge[kAvx2Lanes][kBlock];
  for (unsigned lane = 0; lane < kAvx2Lanes; ++lane) put_edge(group, shape, lane, index, edge[lane]);
  load_words([&](unsigned lane) { return edge[lane]; }, block);
}

/// All ones in the lanes for which `is_chosen(lane)`.
template <typename IsChosen>
inline __m256i lanes_where(IsChosen is_chosen) {
  alignas(32) uint32_t mask[kAvx2Lanes];
  for (unsigned lane = 0; lane < kAvx2Lanes; ++lane) mask[lane] = is_chosen(lane) ? UINT32_MAX : 0;
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(mask));
}

inline void replace(State& state, __m256i lanes, const State& by) {
#pragma GCC unroll 8
  for (unsigned k = 0; k < 8; ++k) state.word[k] = _mm256_blendv_epi8(state.word[k], by.word[k], lanes);
}

/// Replaces the state by the state after hashing it as a 32-byte message, in the lanes of kTwice.
inline void hash_state_again(State& state, const LaneGroup& group) {
  Block block;
  for (unsigned k = 0; k < 8; ++k) block.word[k] = state.word[k];
  for (unsigned k = 9; k < 15; ++k) block.word[k] = _mm256_setzero_si256();
  block.word[8] = broadcast(uint32_t{kFirstPaddingByte} << 24);
  block.word[15] = broadcast(32 * 8);
  State second = start();
  compress(second, block);
  replace(state, lanes_where([&](unsigned lane) { return (group.kind[lane] & kTwice) != 0; }), second);
}

}  // namespace

void sha256_avx2_x8(const LaneGroup& group) {
  const Shape shape(group);
  State state = start();
  State done = state;
  for (uint32_t index = 0; index < shape.most_blocks; ++index) {
    if (index + 1 == shape.most_blocks && group.padding != nullptr) {
      compress_constant(state, group.padding);
    } else {
      Block block;
      load_block(group, shape, index, block);
      compress(state, block);
    }
    if (index + 1 < shape.least_blocks) continue;
    replace(done, lanes_where([&](unsigned lane) { return shape.blocks[lane] == index + 1; }), state);
  }
  if (shape.any_twice) hash_state_again(done, group);
  store_digests(done, [&](unsigned lane) { return group.digest[lane]; });
}

/// A node's message is 65 bytes: a block of prefix and 63 bytes, and one of the last byte.
void sha256_avx2_nodes_x8(const uint8_t* children, uint8_t* parents, unsigned count) {
  alignas(64) uint8_t first[kBlock];  // what lies before the first pair may be no memory of ours
  first[0] = kNodePrefixByte;
  std::memcpy(first + 1, children, kBlock - 1);
  const auto pair = [&](unsigned lane) { return children + size_t{lane < count ? lane : 0} * kNodeBytes; };
  const auto from = [&](unsigned lane) -> const uint8_t* {
    return lane == 0 || lane >= count ? first : pair(lane) - 1;
  };
  Block block;
  load_words(from, block);
  block.word[0] = _mm256_or_si256(_mm256_and_si256(block.word[0], broadcast(0x00ffffff)),
                                  broadcast(uint32_t{kNodePrefixByte} << 24));
  alignas(32) uint32_t last[kAvx2Lanes];
  for (unsigned lane = 0; lane < kAvx2Lanes; ++lane)
    last[lane] = uint32_t{pair(lane)[kNodeBytes - 1]} << 24 | uint32_t{kFirstPaddingByte} << 16;
  State state = start();
  compress(state, block);
  block.word[0] = _mm256_load_si256(reinterpret_cast<const __m256i*>(last));
  for (unsigned k = 1; k < 15; ++k) block.word[k] = _mm256_setzero_si256();
  block.word[15] = broadcast((kNodeBytes + 1) * 8);
  compress(state, block);
  store_digests(
      state, [&](unsigned lane) { return lane < count ? parents + size_t{lane} * sizeof(Digest) : nullptr; });
}

}  // namespace sluice::crypto
