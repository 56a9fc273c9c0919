// The AVX2 instructions, model and CPU. Compiled for them alone.
#include <immintrin.h>

#include "tests/unit/crypto/models/avx2.h"
#include "tests/unit/crypto/models/comparison.h"
#include "tests/unit/crypto/models/instructions.h"

namespace instruction_model {
const char* first_wrong_avx2(uint64_t seed) {
  Comparison is(seed);
  const auto a = is.vector<Vector256>(), b = is.vector<Vector256>(), c = is.vector<Vector256>();
  const auto x = real<__m256i>(a), y = real<__m256i>(b), z = real<__m256i>(c);
  const auto lane = is.vector<Vector128>();
  const auto word = static_cast<uint32_t>(is.random());
  is.expect_same("vpbroadcastd", broadcast_word<Vector256>(word), _mm256_set1_epi32(static_cast<int>(word)));
  is.expect_same("vpaddd", add_words(a, b), _mm256_add_epi32(x, y));
  is.expect_same("vpxor", bitwise_xor(a, b), _mm256_xor_si256(x, y));
  is.expect_same("vpand", bitwise_and(a, b), _mm256_and_si256(x, y));
  is.expect_same("vpor", bitwise_or(a, b), _mm256_or_si256(x, y));
  is.expect_same("vpsrld", shift_words_right(a, 7), _mm256_srli_epi32(x, 7));
  is.expect_same("vpslld", shift_words_left(a, 25), _mm256_slli_epi32(x, 25));
  is.expect_same("vpshufb", shuffle_bytes(a, b), _mm256_shuffle_epi8(x, y));
  is.expect_same("vbroadcasti128", broadcast_lane<Vector256>(lane),
                 _mm256_broadcastsi128_si256(real<__m128i>(lane)));
  is.expect_same("vpunpckldq", unpack_words(a, b, 0), _mm256_unpacklo_epi32(x, y));
  is.expect_same("vpunpckhdq", unpack_words(a, b, 1), _mm256_unpackhi_epi32(x, y));
  is.expect_same("vpunpcklqdq", unpack_long_words(a, b, 0), _mm256_unpacklo_epi64(x, y));
  is.expect_same("vpunpckhqdq", unpack_long_words(a, b, 1), _mm256_unpackhi_epi64(x, y));
  is.expect_same("vperm2i128 0x20", permute_halves(a, b, 0x20), _mm256_permute2x128_si256(x, y, 0x20));
  is.expect_same("vperm2i128 0x31", permute_halves(a, b, 0x31), _mm256_permute2x128_si256(x, y, 0x31));
  is.expect_same("vperm2i128 0x83", permute_halves(a, b, 0x83), _mm256_permute2x128_si256(x, y, 0x83));
  is.expect_same("vpblendvb", blend_bytes(a, b, c), _mm256_blendv_epi8(x, y, z));
  return is.wrong();
}

}  // namespace instruction_model
