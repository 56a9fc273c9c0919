// SHA-256 with the SHA extensions, two messages interleaved: one stream waits for its own round
// instruction half of the time. Used for the few messages that do not fill an AVX-512 group.
#include <immintrin.h>

#include <cstring>

#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

/// One lane as a row of blocks: what the prefix or the padding touches lies in `edge`.
struct Stream {
  const uint8_t* start;
  uint32_t whole;    // blocks of data alone
  uint32_t blocks;   // all of them
  bool first_apart;  // block 0 is a whole block with a prefix, kept in `first`
  uint8_t first[64];
  uint8_t edge[128];
  __m128i abef, cdgh;
};

inline const uint8_t* block_at(const Stream& stream, uint32_t index) {
  if (index == 0 && stream.first_apart) return stream.first;
  if (index < stream.whole) return stream.start + uint64_t{index} * 64;
  return stream.edge + (index - stream.whole) * 64;
}

/// The instructions keep the state as the words A, B, E, F and C, D, G, H, highest first.
inline void set_state(Stream& stream, const uint32_t* words) {
  const auto word = [&](int i) { return static_cast<int>(words[i]); };
  stream.abef = _mm_set_epi32(word(0), word(1), word(4), word(5));
  stream.cdgh = _mm_set_epi32(word(2), word(3), word(6), word(7));
}

void open(Stream& stream, const LaneGroup& group, unsigned lane) {
  const uint32_t total = group.total[lane];
  const unsigned prefix = group.kind[lane] & kPrefixed;
  const auto prefix_value = static_cast<uint8_t>((group.kind[lane] & kNodePrefix) / kNodePrefix);
  stream.start = group.start[lane];
  stream.whole = total / 64;
  stream.blocks = (total + 8) / 64 + 1;
  stream.first_apart = prefix != 0 && stream.whole != 0;
  std::memset(stream.edge, 0, sizeof stream.edge);
  const uint32_t rest = total % 64;
  const uint32_t skipped = stream.whole == 0 ? prefix : 0;
  if (rest > skipped) {
    const uint8_t* tail = stream.start + uint64_t{stream.whole} * 64;
    std::memcpy(stream.edge + skipped, tail + skipped, rest - skipped);
  }
  if (skipped != 0) stream.edge[0] = prefix_value;
  stream.edge[rest] = 0x80;
  const uint64_t bits = __builtin_bswap64(uint64_t{total} * 8);
  std::memcpy(stream.edge + (stream.blocks - stream.whole) * 64 - 8, &bits, sizeof bits);
  if (stream.first_apart) {
    stream.first[0] = prefix_value;
    std::memcpy(stream.first + 1, stream.start + 1, 63);
  }
  set_state(stream, kSha256Start);
}

/// One block of each of `kStreams` messages, round by round together.
template <unsigned kStreams>
inline void compress(Stream* const (&stream)[kStreams], const uint8_t* const (&block)[kStreams]) {
  const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i word[kStreams][4], abef[kStreams], cdgh[kStreams];
  for (unsigned s = 0; s < kStreams; ++s) {
    for (unsigned i = 0; i < 4; ++i) {
      const auto* from = reinterpret_cast<const __m128i*>(block[s] + 16 * i);
      word[s][i] = _mm_shuffle_epi8(_mm_loadu_si128(from), order);
    }
    abef[s] = stream[s]->abef;
    cdgh[s] = stream[s]->cdgh;
  }
#pragma GCC unroll 16
  for (unsigned t = 0; t < 16; ++t) {
    const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kSha256Rounds + 4 * t));
#pragma GCC unroll 2
    for (unsigned s = 0; s < kStreams; ++s) {
      __m128i(&w)[4] = word[s];
      const __m128i input = _mm_add_epi32(w[t & 3], constants);
      cdgh[s] = _mm_sha256rnds2_epu32(cdgh[s], abef[s], input);
      abef[s] = _mm_sha256rnds2_epu32(abef[s], cdgh[s], _mm_shuffle_epi32(input, 0x0e));
      if (t >= 12) continue;
      const __m128i seven_back = _mm_alignr_epi8(w[(t + 3) & 3], w[(t + 2) & 3], 4);
      const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[t & 3], w[(t + 1) & 3]), seven_back);
      w[t & 3] = _mm_sha256msg2_epu32(sum, w[(t + 3) & 3]);
    }
  }
  for (unsigned s = 0; s < kStreams; ++s) {
    stream[s]->abef = _mm_add_epi32(stream[s]->abef, abef[s]);
    stream[s]->cdgh = _mm_add_epi32(stream[s]->cdgh, cdgh[s]);
  }
}

inline void state_bytes(const Stream& stream, uint8_t* digest) {
  uint32_t ab[4], cd[4];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(ab), stream.abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(cd), stream.cdgh);
  const uint32_t words[8] = {ab[3], ab[2], cd[3], cd[2], ab[1], ab[0], cd[1], cd[0]};
  for (unsigned i = 0; i < 8; ++i) {
    const uint32_t swapped = __builtin_bswap32(words[i]);
    std::memcpy(digest + 4 * i, &swapped, sizeof swapped);
  }
}

void close(Stream& stream, const LaneGroup& group, unsigned lane) {
  if ((group.kind[lane] & kTwice) != 0) {
    uint8_t again[64] = {};
    state_bytes(stream, again);
    again[32] = 0x80;
    again[62] = 0x01;  // 256 bits
    set_state(stream, kSha256Start);
    Stream* const one[] = {&stream};
    const uint8_t* const block[] = {again};
    compress(one, block);
  }
  state_bytes(stream, group.digest[lane]);
}

}  // namespace

void sha256_shani(const LaneGroup& group, unsigned count) {
  Stream pair[2];
  for (unsigned lane = 0; lane < count; lane += 2) {
    const unsigned open_streams = count - lane < 2 ? 1 : 2;
    for (unsigned s = 0; s < open_streams; ++s) open(pair[s], group, lane + s);
    uint32_t index = 0;
    if (open_streams == 2) {
      Stream* const both[] = {&pair[0], &pair[1]};
      for (; index < pair[1].blocks; ++index) {  // the second is never the longer one
        const uint8_t* const blocks[] = {block_at(pair[0], index), block_at(pair[1], index)};
        compress(both, blocks);
      }
    }
    Stream* const one[] = {&pair[0]};
    for (; index < pair[0].blocks; ++index) {
      const uint8_t* const block[] = {block_at(pair[0], index)};
      compress(one, block);
    }
    for (unsigned s = 0; s < open_streams; ++s) close(pair[s], group, lane + s);
  }
}

}  // namespace sluice::crypto
