// SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash of flows and Maglev endpoints. A secret
// key keeps an attacker from aiming flows at one backend. Any thread; pure.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

namespace sluice {

/// The 128-bit key, `gateway.hash_key`; its 16 bytes are read as two little-endian words.
struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  bool operator==(const SipKey&) const = default;
};

/// The state of SipHash-2-4 over messages of whole words: one message, or four at once, whose words are lanes
/// of `Word`.
template <typename Word>
class SipState {
 public:
  explicit SipState(const SipKey& key)
      : v0_(Word{} + (key.k0 ^ 0x736f6d6570736575)),
        v1_(Word{} + (key.k1 ^ 0x646f72616e646f6d)),
        v2_(Word{} + (key.k0 ^ 0x6c7967656e657261)),
        v3_(Word{} + (key.k1 ^ 0x7465646279746573)) {}

  [[gnu::always_inline]] void add(Word word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }
  /// The hash. The word added last must be last_sip_word(), which holds the message's length.
  [[gnu::always_inline]] Word finish() {
    v2_ ^= 0xff;
    for (unsigned rounds = 0; rounds < 4; ++rounds) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  template <int bits>
  [[gnu::always_inline]] static Word rotl(Word word) {
    if constexpr (sizeof(Word) == sizeof(__m256i) && bits == 32) {
      return reinterpret_cast<Word>(_mm256_shuffle_epi32(reinterpret_cast<__m256i>(word), 0xb1));
    } else if constexpr (sizeof(Word) == sizeof(__m256i) && bits == 16) {
      const __m256i places =
          _mm256_set_epi64x(0x0d0c0b0a09080f0e, 0x0504030201000706, 0x0d0c0b0a09080f0e, 0x0504030201000706);
      return reinterpret_cast<Word>(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(word), places));
    } else {
      return word << bits | word >> (64 - bits);
    }
  }
  [[gnu::always_inline]] void round() {
    v0_ += v1_;
    v1_ = rotl<13>(v1_) ^ v0_;
    v0_ = rotl<32>(v0_);
    v2_ += v3_;
    v3_ = rotl<16>(v3_) ^ v2_;
    v0_ += v3_;
    v3_ = rotl<21>(v3_) ^ v0_;
    v2_ += v1_;
    v1_ = rotl<17>(v1_) ^ v2_;
    v2_ = rotl<32>(v2_);
  }

  Word v0_, v1_, v2_, v3_;
};

/// The word that SipHash adds last: `tail`, the bytes of a message of `size` bytes behind its last whole
/// word, and the size's lowest byte.
constexpr uint64_t last_sip_word(uint64_t tail, size_t size) {
  return tail | static_cast<uint64_t>(size) << 56;
}

/// SipHash-2-4 of `size` bytes, as the 64-bit integer that its eight result bytes are in
/// little-endian order.
inline uint64_t siphash24(const SipKey& key, const void* data, size_t size) {
  SipState<uint64_t> state(key);
  const auto* bytes = static_cast<const uint8_t*>(data);
  const uint8_t* const tail = bytes + (size & ~size_t{7});
  for (; bytes != tail; bytes += 8) state.add(load<uint64_t>(bytes));
  uint64_t rest = 0;
  for (size_t i = 0; i < (size & 7); ++i) rest |= static_cast<uint64_t>(tail[i]) << (8 * i);
  state.add(last_sip_word(rest, size));
  return state.finish();
}

}  // namespace sluice
