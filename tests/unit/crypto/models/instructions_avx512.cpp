// The AVX-512 instructions, model and CPU. Compiled for them alone.
#include <immintrin.h>

#include "tests/unit/crypto/models/avx512.h"
#include "tests/unit/crypto/models/comparison.h"
#include "tests/unit/crypto/models/instructions.h"

namespace instruction_model {
namespace {

void compare_arithmetic(Comparison& is) {
  const auto a = is.vector<Vector512>(), b = is.vector<Vector512>(), c = is.vector<Vector512>();
  const auto x = real<__m512i>(a), y = real<__m512i>(b), z = real<__m512i>(c);
  const auto word = static_cast<uint32_t>(is.random());
  is.expect_same("vpbroadcastd", broadcast_word<Vector512>(word), _mm512_set1_epi32(static_cast<int>(word)));
  is.expect_same("vpbroadcastb", broadcast_byte(static_cast<uint8_t>(word)),
                 _mm512_set1_epi8(static_cast<char>(word)));
  is.expect_same("vpaddd", add_words(a, b), _mm512_add_epi32(x, y));
  is.expect_same("vpandd", bitwise_and(a, b), _mm512_and_si512(x, y));
  is.expect_same("vpord", bitwise_or(a, b), _mm512_or_si512(x, y));
  is.expect_same("vpternlogd 0x96", ternary_logic(a, b, c, 0x96), _mm512_ternarylogic_epi32(x, y, z, 0x96));
  is.expect_same("vpternlogd 0xca", ternary_logic(a, b, c, 0xca), _mm512_ternarylogic_epi32(x, y, z, 0xca));
  is.expect_same("vpternlogd 0xe8", ternary_logic(a, b, c, 0xe8), _mm512_ternarylogic_epi32(x, y, z, 0xe8));
  is.expect_same("vprord", rotate_words_right(a, 22), _mm512_ror_epi32(x, 22));
  is.expect_same("vpsrld", shift_words_right(a, 10), _mm512_srli_epi32(x, 10));
  is.expect_same("vpslld", shift_words_left(a, 24), _mm512_slli_epi32(x, 24));
  is.expect_same("reduce_min_epu32", least_word(a), _mm512_reduce_min_epu32(x));
  is.expect_same("reduce_max_epu32", most_word(a), _mm512_reduce_max_epu32(x));
  const auto byte = static_cast<unsigned>(word) & 0xff;
  is.expect_same("bzhi", low_bits(is.random() | 1, 0), uint64_t{0});
  const uint64_t bits = is.random();
  is.expect_same("bzhi", low_bits(bits, byte), _bzhi_u64(bits, byte));
}

void compare_moves(Comparison& is) {
  const auto a = is.vector<Vector512>(), b = is.vector<Vector512>(), c = is.vector<Vector512>();
  const auto x = real<__m512i>(a), y = real<__m512i>(b), z = real<__m512i>(c);
  const auto half = is.vector<Vector256>();
  const auto lane = is.vector<Vector128>();
  is.expect_same("vpshufb", shuffle_bytes(a, b), _mm512_shuffle_epi8(x, y));
  is.expect_same("vbroadcasti32x4", broadcast_lane<Vector512>(lane),
                 _mm512_broadcast_i32x4(real<__m128i>(lane)));
  is.expect_same("vpunpckldq", unpack_words(a, b, 0), _mm512_unpacklo_epi32(x, y));
  is.expect_same("vpunpckhdq", unpack_words(a, b, 1), _mm512_unpackhi_epi32(x, y));
  is.expect_same("vpunpcklqdq", unpack_long_words(a, b, 0), _mm512_unpacklo_epi64(x, y));
  is.expect_same("vpunpckhqdq", unpack_long_words(a, b, 1), _mm512_unpackhi_epi64(x, y));
  is.expect_same("vshufi32x4 0x88", shuffle_lanes(a, b, 0x88), _mm512_shuffle_i32x4(x, y, 0x88));
  is.expect_same("vshufi32x4 0xdd", shuffle_lanes(a, b, 0xdd), _mm512_shuffle_i32x4(x, y, 0xdd));
  is.expect_same("vpermt2q", permute_long_words(a, b, c), _mm512_permutex2var_epi64(x, y, z));
  is.expect_same("set_epi64", from_long_words(7, 6, 5, 4, 3, 2, 1, 0),
                 _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
  is.expect_same("vinserti64x4", insert_half(a, half, 1), _mm512_inserti64x4(x, real<__m256i>(half), 1));
  is.expect_same("vextracti64x4", extract_half(a, 1), _mm512_extracti64x4_epi64(x, 1));
  is.expect_same("castsi512_si256", extract_half(a, 0), _mm512_castsi512_si256(x));
  is.expect_same("zextsi128_si512", widen(lane), _mm512_zextsi128_si512(real<__m128i>(lane)));
}

void compare_masks(Comparison& is) {
  const auto a = is.vector<Vector512>(), b = is.vector<Vector512>(), c = is.vector<Vector512>();
  const auto x = real<__m512i>(a), y = real<__m512i>(b), z = real<__m512i>(c);
  const uint64_t mask = is.random();
  const auto short_mask = static_cast<uint16_t>(mask);
  is.expect_same("vmovdqu8 from memory", load_masked_bytes(mask, &a), _mm512_maskz_loadu_epi8(mask, &x));
  is.expect_same("vmovdqu8", move_masked_bytes(a, mask, b), _mm512_mask_mov_epi8(x, mask, y));
  is.expect_same("vmovdqu32", move_masked_words(a, short_mask, b), _mm512_mask_mov_epi32(x, short_mask, y));
  is.expect_same("vpord masked", or_masked_words(a, short_mask, b, c),
                 _mm512_mask_or_epi32(x, short_mask, y, z));
  const Vector512 mixed = move_masked_words(a, short_mask, b);
  is.expect_same("vpcmpeqd", equal_words(a, mixed), _mm512_cmpeq_epi32_mask(x, real<__m512i>(mixed)));
  const auto few = bitwise_and(is.vector<Vector128>(), broadcast_word<Vector128>(0x04010602));
  const auto bit = broadcast_word<Vector128>(0x04020404);
  is.expect_same("vptestmb", test_bytes(few, bit),
                 _mm_test_epi8_mask(real<__m128i>(few), real<__m128i>(bit)));
}

}  // namespace

const char* first_wrong_avx512(uint64_t seed) {
  Comparison is(seed);
  compare_arithmetic(is);
  compare_moves(is);
  compare_masks(is);
  return is.wrong();
}

}  // namespace instruction_model
