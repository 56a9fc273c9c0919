// SHA-256 with the SHA extensions, four messages interleaved, or two where no more are left: one stream waits
// for its own round instruction most of the time. Where one message ends, the next takes its place beside the
// others.
#include <immintrin.h>

#include <cstring>

#include "crypto/sha256_kernels.h"

namespace sluice::crypto {
namespace {

constexpr size_t kBlock = 64;
constexpr unsigned kMostStreams = 4;
constexpr size_t kNodeBytes = 64;  // two digests, before the prefix

/// The state as the instructions keep it: the words A, B, E, F and C, D, G, H, highest first.
struct State {
  __m128i abef, cdgh;
};

inline __m128i load(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline void store(uint8_t* to, __m128i bytes) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
}
inline __m128i big_endian(__m128i words) {
  return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

inline State start() {
  const auto word = [](int i) { return static_cast<int>(kSha256Start[i]); };
  return {_mm_set_epi32(word(0), word(1), word(4), word(5)),
          _mm_set_epi32(word(2), word(3), word(6), word(7))};
}

/// The digest of a state: 32 bytes.
inline void write_digest(const State& state, uint8_t* digest) {
  const __m128i abef = _mm_shuffle_epi32(state.abef, 0x1b);
  const __m128i ghcd = _mm_shuffle_epi32(state.cdgh, 0xb1);
  store(digest, big_endian(_mm_blend_epi16(abef, ghcd, 0xf0)));
  store(digest + 16, big_endian(_mm_alignr_epi8(ghcd, abef, 8)));
}

/// One block of each of `kStreams` messages, round by round together; uses up `word`.
template <unsigned kStreams>
inline __attribute__((always_inline)) void compress(State* state, __m128i (&word)[kStreams][4]) {
  State s[kStreams];
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) s[i] = state[i];
#pragma GCC unroll 16
  for (unsigned t = 0; t < 16; ++t) {
    const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kSha256Rounds + 4 * t));
#pragma GCC unroll 4
    for (unsigned i = 0; i < kStreams; ++i) {
      __m128i(&w)[4] = word[i];
      const __m128i input = _mm_add_epi32(w[t & 3], constants);
      s[i].cdgh = _mm_sha256rnds2_epu32(s[i].cdgh, s[i].abef, input);
      s[i].abef = _mm_sha256rnds2_epu32(s[i].abef, s[i].cdgh, _mm_shuffle_epi32(input, 0x0e));
      if (t >= 12) continue;
      const __m128i seven_back = _mm_alignr_epi8(w[(t + 3) & 3], w[(t + 2) & 3], 4);
      const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[t & 3], w[(t + 1) & 3]), seven_back);
      w[t & 3] = _mm_sha256msg2_epu32(sum, w[(t + 3) & 3]);
    }
  }
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) {
    state[i].abef = _mm_add_epi32(state[i].abef, s[i].abef);
    state[i].cdgh = _mm_add_epi32(state[i].cdgh, s[i].cdgh);
  }
}

/// The words of a block whose first byte, the prefix, does not lie in memory.
inline void load_prefixed(const uint8_t* data, uint8_t prefix, __m128i (&word)[4]) {
  word[0] = big_endian(_mm_or_si128(_mm_slli_si128(load(data), 1), _mm_cvtsi32_si128(prefix)));
  for (unsigned i = 1; i < 4; ++i) word[i] = big_endian(load(data + 16 * i - 1));
}
inline void load_block(const uint8_t* data, __m128i (&word)[4]) {
#pragma GCC unroll 4
  for (unsigned i = 0; i < 4; ++i) word[i] = big_endian(load(data + 16 * i));
}

/// What is left of one message: a block that begins with a prefix, whole blocks in place, and what the
/// padding touches, which is put together in `edge`.
class Stream {
 public:
  State state;

  void open(const Message& message);
  /// Blocks that lie in one run from block() on, the first of them perhaps behind a prefix.
  size_t run() const { return run_; }
  void load_words(__m128i (&word)[4]) const {
    if (is_prefixed_) return load_prefixed(block_ + 1, prefix_, word);
    load_block(block_, word);
  }
  void step() {
    block_ += kBlock;
    is_prefixed_ = false;
  }
  /// After `count` blocks of the run. False: the message is done, and its digest written.
  bool advance(size_t count);

 private:
  void put_edge(const uint8_t* data, size_t size, size_t prefix);
  void begin_edge();

  const uint8_t* block_;
  size_t run_;
  uint8_t prefix_;
  bool is_prefixed_;
  bool is_in_edge_;
  bool is_twice_;
  uint8_t edge_blocks_;
  uint8_t* digest_;
  alignas(16) uint8_t room_[3 * kBlock];  // the edge behind one block: a copy of 64 bytes may begin in that
};

/// The last bytes of a message of `prefix` and `size` bytes, and its padding (FIPS 180-4, 5.1.1).
inline void Stream::put_edge(const uint8_t* data, size_t size, size_t prefix) {
  uint8_t* const edge = room_ + kBlock;
  const size_t total = size + prefix;
  const size_t rest = total % kBlock;
  edge_blocks_ = rest < kBlock - 8 ? 1 : 2;
  for (unsigned i = 0; i < 4; ++i) store(edge + 16 * i, _mm_setzero_si128());
  if (edge_blocks_ == 2) {
    for (unsigned i = 4; i < 8; ++i) store(edge + 16 * i, _mm_setzero_si128());
  }
  if (rest != 0 &&
      size >= kBlock) {  // the message's last 64 bytes, so that they end where the rest of it does
    for (unsigned i = 0; i < 4; ++i)
      store(edge + rest - kBlock + 16 * i, load(data + size - kBlock + 16 * i));
  } else if (rest != 0) {
    const size_t skipped = total < kBlock ? prefix : 0;
    if (skipped != 0) edge[0] = prefix_;
    if (rest != skipped) std::memcpy(edge + skipped, data + size - (rest - skipped), rest - skipped);
  }
  edge[rest] = 0x80;
  const uint64_t bits = __builtin_bswap64(uint64_t{total} * 8);
  std::memcpy(edge + edge_blocks_ * kBlock - 8, &bits, sizeof bits);
}

inline void Stream::begin_edge() {
  block_ = room_ + kBlock;
  run_ = edge_blocks_;
  is_prefixed_ = false;
  is_in_edge_ = true;
}

void Stream::open(const Message& message) {
  state = start();
  const size_t prefix = message.prefix == Prefix::none ? 0 : 1;
  prefix_ = message.prefix == Prefix::node ? 0x01 : 0x00;
  is_twice_ = message.rounds == Rounds::twice;
  digest_ = reinterpret_cast<uint8_t*>(message.digest);
  put_edge(message.data, message.size, prefix);
  run_ = (size_t{message.size} + prefix) / kBlock;
  if (run_ == 0) return begin_edge();
  block_ = message.data - prefix;
  is_prefixed_ = prefix != 0;
  is_in_edge_ = false;
}

bool Stream::advance(size_t count) {
  run_ -= count;
  if (run_ != 0) return true;
  if (!is_in_edge_) {
    begin_edge();
    return true;
  }
  if (!is_twice_) {
    write_digest(state, digest_);
    return false;
  }
  uint8_t once[sizeof(Digest)];
  write_digest(state, once);
  state = start();
  is_twice_ = false;
  put_edge(once, sizeof once, 0);
  begin_edge();
  return true;
}

/// `count` blocks of each stream's run.
template <unsigned kStreams>
inline void hash_run(Stream* const* stream, size_t count) {
  State state[kStreams];
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) state[i] = stream[i]->state;
  for (; count != 0; --count) {
    __m128i word[kStreams][4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < kStreams; ++i) {
      stream[i]->load_words(word[i]);
      stream[i]->step();
    }
    compress<kStreams>(state, word);
  }
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) stream[i]->state = state[i];
}

/// A node's message is 65 bytes: a block of prefix and 63 bytes, and one of the last byte.
template <unsigned kStreams>
inline void hash_nodes(const uint8_t* children, uint8_t* parents) {
  State state[kStreams];
  __m128i word[kStreams][4], last_byte[kStreams];
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) {
    const uint8_t* const pair = children + i * kNodeBytes;
    state[i] = start();
    load_prefixed(pair, 0x01, word[i]);
    last_byte[i] = _mm_slli_epi32(_mm_srli_si128(load(pair + kNodeBytes - 16), 15), 24);
  }
  compress<kStreams>(state, word);
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) {
    word[i][0] = _mm_or_si128(last_byte[i], _mm_cvtsi32_si128(0x00800000));
    word[i][1] = word[i][2] = _mm_setzero_si128();
    word[i][3] = _mm_set_epi32((kNodeBytes + 1) * 8, 0, 0, 0);
  }
  compress<kStreams>(state, word);
#pragma GCC unroll 4
  for (unsigned i = 0; i < kStreams; ++i) write_digest(state[i], parents + i * sizeof(Digest));
}

}  // namespace

void sha256_shani(const Message* messages, size_t count) {
  Stream streams[kMostStreams];
  Stream* live[kMostStreams];
  unsigned live_count = 0;
  const Message* next = messages;
  const Message* const end = messages + count;
  for (; live_count < kMostStreams && next != end; ++live_count) {
    live[live_count] = &streams[live_count];
    streams[live_count].open(*next++);
  }
  while (live_count != 0) {
    const unsigned together = live_count == kMostStreams ? kMostStreams : live_count >= 2 ? 2 : 1;
    size_t blocks = live[0]->run();
    for (unsigned i = 1; i < together; ++i) blocks = live[i]->run() < blocks ? live[i]->run() : blocks;
    if (together == kMostStreams) {
      hash_run<kMostStreams>(live, blocks);
    } else if (together == 2) {
      hash_run<2>(live, blocks);
    } else {
      hash_run<1>(live, blocks);
    }
    for (unsigned i = together; i-- > 0;) {
      if (live[i]->advance(blocks)) continue;
      if (next != end) {
        live[i]->open(*next++);
      } else {
        live[i] = live[--live_count];
      }
    }
  }
}

void sha256_shani_nodes(const uint8_t* children, uint8_t* parents, size_t count) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) hash_nodes<4>(children + i * kNodeBytes, parents + i * sizeof(Digest));
  for (; i + 2 <= count; i += 2) hash_nodes<2>(children + i * kNodeBytes, parents + i * sizeof(Digest));
  if (i != count) hash_nodes<1>(children + i * kNodeBytes, parents + i * sizeof(Digest));
}

}  // namespace sluice::crypto
