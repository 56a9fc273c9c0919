// A keyed digest that tells messages apart: NH of UMAC (Black, Halevi, Krawczyk, Krovetz and Rogaway, 1999)
// in 64-bit words over pieces of a message, as VMAC has it, NH again over what that leaves of the pieces, and
// a multiplication in GF(2^64) that makes one word of it. Each step is universal, and a fifth of the work of
// SipHash. No authentication: its result is never shown.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/bytes.h"
#include "common/siphash.h"

namespace sluice::ledger {

/// Two messages that somebody chose without knowing the key have one digest with a probability of 2^-62 at
/// most: 2^-64 for the piece that differs, 2^-63 for the sums, 2^-64 for the word. Any thread; immutable.
class MessageDigest {
 public:
  static constexpr size_t kPieceBytes = 1024;
  /// Of messages beyond this size only their first bytes and their size count: no datagram is longer.
  static constexpr size_t kMostBytes = 64 * kPieceBytes;
  static constexpr size_t kMostContext = 7;  ///< words

  explicit MessageDigest(SipKey key) {
    uint64_t number = 0;
    const auto next = [&] {
      const uint64_t word = siphash24(key, &number, sizeof number);
      ++number;
      return word;
    };
    std::ranges::generate(piece_key_, next);
    std::ranges::generate(sum_key_, next);
    std::ranges::generate(word_key_, next);
  }

  /// `context`, an odd number of words, is digested with the message. Hot path.
  template <size_t kWords>
  uint64_t of(const std::array<uint64_t, kWords>& context, std::span<const uint8_t> message) const {
    static_assert(kWords % 2 == 1 && kWords <= kMostContext);
    const uint64_t* key = sum_key_.data();
    Wide sum = 0;
    for (size_t i = 0; i + 1 < kWords; i += 2, key += 2) sum += product(context[i], context[i + 1], key);
    sum += product(context[kWords - 1], message.size(), key);
    message = message.first(std::min(message.size(), kMostBytes));
    while (!message.empty()) {
      key += 2;
      const std::span<const uint8_t> piece = message.first(std::min(message.size(), kPieceBytes));
      const Wide of_piece = sum_of(piece);
      sum += product(static_cast<uint64_t>(of_piece), static_cast<uint64_t>(of_piece >> 64), key);
      message = message.subspan(piece.size());
    }
    return word_of(sum);
  }

 private:
  static constexpr size_t kStep = 16;
  using Wide = unsigned __int128;

  static Wide product(uint64_t low, uint64_t high, const uint64_t* key) {
    return static_cast<Wide>(low + key[0]) * (high + key[1]);
  }
  static Wide product(const uint8_t* bytes, const uint64_t* key) {
    return product(load<uint64_t>(bytes), load<uint64_t>(bytes + 8), key);
  }

  /// The last step is filled up with zeros; the message's size tells them from its own. Two sums, so that an
  /// addition does not wait for the one before.
  Wide sum_of(std::span<const uint8_t> piece) const {
    Wide sum = 0, other = 0;
    const uint64_t* key = piece_key_.data();
    for (; piece.size() >= 2 * kStep; piece = piece.subspan(2 * kStep), key += 4) {
      sum += product(piece.data(), key);
      other += product(piece.data() + kStep, key + 2);
    }
    if (piece.size() >= kStep) {
      sum += product(piece.data(), key);
      piece = piece.subspan(kStep);
      key += 2;
    }
    if (!piece.empty()) {
      uint8_t last[kStep] = {};
      std::memcpy(last, piece.data(), piece.size());
      other += product(last, key);
    }
    return sum + other;
  }

  /// Both halves by a key of their own, modulo x^64 + x^4 + x^3 + x + 1.
  uint64_t word_of(Wide sum) const {
    const __m128i halves = _mm_set_epi64x(static_cast<int64_t>(sum >> 64), static_cast<int64_t>(sum));
    const __m128i keys = load<__m128i>(word_key_.data());
    const __m128i both =
        _mm_xor_si128(_mm_clmulepi64_si128(halves, keys, 0x00), _mm_clmulepi64_si128(halves, keys, 0x11));
    const __m128i x_to_64 = _mm_cvtsi32_si128(0x1b);
    const __m128i once = _mm_clmulepi64_si128(both, x_to_64, 0x01);
    const __m128i twice = _mm_clmulepi64_si128(once, x_to_64, 0x01);
    return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_xor_si128(both, _mm_xor_si128(once, twice))));
  }

  std::array<uint64_t, kPieceBytes / 8> piece_key_;
  std::array<uint64_t, kMostContext + 1 + 2 * (kMostBytes / kPieceBytes)> sum_key_;
  std::array<uint64_t, 2> word_key_;
};

}  // namespace sluice::ledger
