// Forced into the compilation of the AVX-512 kernels: every instruction beyond SSE2 is its model.
#pragma once

#include <immintrin.h>

#include "tests/unit/crypto/models/avx512.h"

#undef __m512i
#define __m512i instruction_model::Vector512
#undef __m256i
#define __m256i instruction_model::Vector256
#undef _mm512_set1_epi32
#define _mm512_set1_epi32(x) \
  instruction_model::broadcast_word<instruction_model::Vector512>(static_cast<uint32_t>(x))
#undef _mm512_set1_epi8
#define _mm512_set1_epi8(x) instruction_model::broadcast_byte(static_cast<uint8_t>(x))
#undef _mm512_setzero_si512
#define _mm512_setzero_si512() instruction_model::broadcast_word<instruction_model::Vector512>(0)
#undef _mm512_set_epi64
#define _mm512_set_epi64 instruction_model::from_long_words
#undef _mm512_add_epi32
#define _mm512_add_epi32 instruction_model::add_words
#undef _mm512_and_si512
#define _mm512_and_si512 instruction_model::bitwise_and
#undef _mm512_or_si512
#define _mm512_or_si512 instruction_model::bitwise_or
#undef _mm512_ternarylogic_epi32
#define _mm512_ternarylogic_epi32 instruction_model::ternary_logic
#undef _mm512_ror_epi32
#define _mm512_ror_epi32 instruction_model::rotate_words_right
#undef _mm512_srli_epi32
#define _mm512_srli_epi32 instruction_model::shift_words_right
#undef _mm512_slli_epi32
#define _mm512_slli_epi32 instruction_model::shift_words_left
#undef _mm512_shuffle_epi8
#define _mm512_shuffle_epi8 instruction_model::shuffle_bytes
#undef _mm512_broadcast_i32x4
#define _mm512_broadcast_i32x4(x)                                  \
  instruction_model::broadcast_lane<instruction_model::Vector512>( \
      instruction_model::as<instruction_model::Vector128>(x))
#undef _mm512_unpacklo_epi32
#define _mm512_unpacklo_epi32(a, b) instruction_model::unpack_words(a, b, 0)
#undef _mm512_unpackhi_epi32
#define _mm512_unpackhi_epi32(a, b) instruction_model::unpack_words(a, b, 1)
#undef _mm512_unpacklo_epi64
#define _mm512_unpacklo_epi64(a, b) instruction_model::unpack_long_words(a, b, 0)
#undef _mm512_unpackhi_epi64
#define _mm512_unpackhi_epi64(a, b) instruction_model::unpack_long_words(a, b, 1)
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4 instruction_model::shuffle_lanes
#undef _mm512_permutex2var_epi64
#define _mm512_permutex2var_epi64 instruction_model::permute_long_words
#undef _mm512_inserti64x4
#define _mm512_inserti64x4 instruction_model::insert_half
#undef _mm512_extracti64x4_epi64
#define _mm512_extracti64x4_epi64 instruction_model::extract_half
#undef _mm512_castsi256_si512
#define _mm512_castsi256_si512(x) instruction_model::widen(x)
#undef _mm512_castsi512_si256
#define _mm512_castsi512_si256(x) instruction_model::extract_half(x, 0)
#undef _mm512_zextsi128_si512
#define _mm512_zextsi128_si512(x) \
  instruction_model::widen(instruction_model::as<instruction_model::Vector128>(x))
#undef _mm512_loadu_si512
#define _mm512_loadu_si512(from) instruction_model::load<instruction_model::Vector512>(from)
#undef _mm512_load_si512
#define _mm512_load_si512(from) instruction_model::load<instruction_model::Vector512>(from)
#undef _mm512_store_si512
#define _mm512_store_si512 instruction_model::store
#undef _mm256_loadu_si256
#define _mm256_loadu_si256(from) instruction_model::load<instruction_model::Vector256>(from)
#undef _mm256_storeu_si256
#define _mm256_storeu_si256 instruction_model::store
#undef _mm512_maskz_loadu_epi8
#define _mm512_maskz_loadu_epi8 instruction_model::load_masked_bytes
#undef _mm512_mask_mov_epi8
#define _mm512_mask_mov_epi8 instruction_model::move_masked_bytes
#undef _mm512_mask_mov_epi32
#define _mm512_mask_mov_epi32 instruction_model::move_masked_words
#undef _mm512_mask_or_epi32
#define _mm512_mask_or_epi32 instruction_model::or_masked_words
#undef _mm512_cmpeq_epi32_mask
#define _mm512_cmpeq_epi32_mask instruction_model::equal_words
#undef _mm512_reduce_min_epu32
#define _mm512_reduce_min_epu32 instruction_model::least_word
#undef _mm512_reduce_max_epu32
#define _mm512_reduce_max_epu32 instruction_model::most_word
#undef _mm_test_epi8_mask
#define _mm_test_epi8_mask(a, b)                                                        \
  instruction_model::test_bytes(instruction_model::as<instruction_model::Vector128>(a), \
                                instruction_model::as<instruction_model::Vector128>(b))
#undef _bzhi_u64
#define _bzhi_u64 instruction_model::low_bits

#define sha256_avx512_x16 sha256_avx512_x16_in_software
#define sha256_avx512_x32 sha256_avx512_x32_in_software
#define sha256_avx512_nodes_x16 sha256_avx512_nodes_x16_in_software
#define sha256_avx512_nodes_x32 sha256_avx512_nodes_x32_in_software
