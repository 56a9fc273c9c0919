// The three instructions of the SHA extensions that are for SHA-256 (Intel SDM, volume 2B, SHA256*).
#pragma once

#include "tests/unit/crypto/models/vectors.h"

namespace instruction_model {
namespace {

[[gnu::noinline]] [[maybe_unused]] Vector128 sha256_rounds2(const Vector128& cdgh, const Vector128& abef,
                                                            const Vector128& input) {
  uint32_t a = abef.word[3], b = abef.word[2], c = cdgh.word[3], d = cdgh.word[2];
  uint32_t e = abef.word[1], f = abef.word[0], g = cdgh.word[1], h = cdgh.word[0];
  for (unsigned i = 0; i < 2; ++i) {
    const uint32_t t = h + ((e & f) ^ (~e & g)) +
                       (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + input.word[i];
    const uint32_t top =
        ((a & b) ^ (a & c) ^ (b & c)) + (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22));
    h = g, g = f, f = e, e = d + t, d = c, c = b, b = a, a = t + top;
  }
  return {{f, e, b, a}};
}

inline uint32_t sha256_sigma0(uint32_t x) {
  return rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
}
inline uint32_t sha256_sigma1(uint32_t x) {
  return rotate_right(x, 17) ^ rotate_right(x, 19) ^ x >> 10;
}

[[gnu::noinline]] [[maybe_unused]] Vector128 sha256_message1(const Vector128& a, const Vector128& b) {
  return {{a.word[0] + sha256_sigma0(a.word[1]), a.word[1] + sha256_sigma0(a.word[2]),
           a.word[2] + sha256_sigma0(a.word[3]), a.word[3] + sha256_sigma0(b.word[0])}};
}

[[gnu::noinline]] [[maybe_unused]] Vector128 sha256_message2(const Vector128& a, const Vector128& b) {
  const uint32_t w16 = a.word[0] + sha256_sigma1(b.word[2]), w17 = a.word[1] + sha256_sigma1(b.word[3]);
  return {{w16, w17, a.word[2] + sha256_sigma1(w16), a.word[3] + sha256_sigma1(w17)}};
}

}  // namespace
}  // namespace instruction_model
