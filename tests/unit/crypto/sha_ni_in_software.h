// Forced into the compilation of crypto/sha256_shani.cpp for its test: the SHA extensions' three
// instructions written out from their definition (Intel SDM, volume 2B, SHA256*), word by word.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace sha_ni_in_software {

struct Words {
  uint32_t w[4];
};

inline Words words(__m128i v) {
  Words r;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(r.w), v);
  return r;
}
inline __m128i vector(const Words& r) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(r.w));
}
inline uint32_t ror(uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

inline __m128i rounds2(__m128i cdgh, __m128i abef, __m128i input) {
  const Words s1 = words(cdgh), s2 = words(abef), k = words(input);
  uint32_t a = s2.w[3], b = s2.w[2], c = s1.w[3], d = s1.w[2];
  uint32_t e = s2.w[1], f = s2.w[0], g = s1.w[1], h = s1.w[0];
  for (int i = 0; i < 2; ++i) {
    const uint32_t t = h + ((e & f) ^ (~e & g)) + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + k.w[i];
    const uint32_t top = ((a & b) ^ (a & c) ^ (b & c)) + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22));
    h = g, g = f, f = e, e = d + t, d = c, c = b, b = a, a = t + top;
  }
  return vector({{f, e, b, a}});
}

inline uint32_t sigma0(uint32_t x) {
  return ror(x, 7) ^ ror(x, 18) ^ x >> 3;
}
inline uint32_t sigma1(uint32_t x) {
  return ror(x, 17) ^ ror(x, 19) ^ x >> 10;
}

inline __m128i message1(__m128i first, __m128i second) {
  const Words a = words(first), b = words(second);
  return vector(
      {{a.w[0] + sigma0(a.w[1]), a.w[1] + sigma0(a.w[2]), a.w[2] + sigma0(a.w[3]), a.w[3] + sigma0(b.w[0])}});
}

inline __m128i message2(__m128i first, __m128i second) {
  const Words a = words(first), b = words(second);
  const uint32_t w16 = a.w[0] + sigma1(b.w[2]), w17 = a.w[1] + sigma1(b.w[3]);
  return vector({{w16, w17, a.w[2] + sigma1(w16), a.w[3] + sigma1(w17)}});
}

}  // namespace sha_ni_in_software

#define _mm_sha256rnds2_epu32 sha_ni_in_software::rounds2
#define _mm_sha256msg1_epu32 sha_ni_in_software::message1
#define _mm_sha256msg2_epu32 sha_ni_in_software::message2
#define sha256_shani sha256_shani_in_software
