// Forced into the compilation of the AVX2 kernels: every instruction beyond SSE2 is its model.
#pragma once

#include <immintrin.h>

#include "tests/unit/crypto/models/avx2.h"

#undef __m256i
#define __m256i instruction_model::Vector256
#undef _mm256_set1_epi32
#define _mm256_set1_epi32(x) \
  instruction_model::broadcast_word<instruction_model::Vector256>(static_cast<uint32_t>(x))
#undef _mm256_setzero_si256
#define _mm256_setzero_si256() instruction_model::broadcast_word<instruction_model::Vector256>(0)
#undef _mm256_add_epi32
#define _mm256_add_epi32 instruction_model::add_words
#undef _mm256_xor_si256
#define _mm256_xor_si256 instruction_model::bitwise_xor
#undef _mm256_and_si256
#define _mm256_and_si256 instruction_model::bitwise_and
#undef _mm256_or_si256
#define _mm256_or_si256 instruction_model::bitwise_or
#undef _mm256_srli_epi32
#define _mm256_srli_epi32 instruction_model::shift_words_right
#undef _mm256_slli_epi32
#define _mm256_slli_epi32 instruction_model::shift_words_left
#undef _mm256_shuffle_epi8
#define _mm256_shuffle_epi8 instruction_model::shuffle_bytes
#undef _mm256_broadcastsi128_si256
#define _mm256_broadcastsi128_si256(x)                             \
  instruction_model::broadcast_lane<instruction_model::Vector256>( \
      instruction_model::as<instruction_model::Vector128>(x))
#undef _mm256_unpacklo_epi32
#define _mm256_unpacklo_epi32(a, b) instruction_model::unpack_words(a, b, 0)
#undef _mm256_unpackhi_epi32
#define _mm256_unpackhi_epi32(a, b) instruction_model::unpack_words(a, b, 1)
#undef _mm256_unpacklo_epi64
#define _mm256_unpacklo_epi64(a, b) instruction_model::unpack_long_words(a, b, 0)
#undef _mm256_unpackhi_epi64
#define _mm256_unpackhi_epi64(a, b) instruction_model::unpack_long_words(a, b, 1)
#undef _mm256_permute2x128_si256
#define _mm256_permute2x128_si256 instruction_model::permute_halves
#undef _mm256_blendv_epi8
#define _mm256_blendv_epi8 instruction_model::blend_bytes
#undef _mm256_loadu_si256
#define _mm256_loadu_si256(from) instruction_model::load<instruction_model::Vector256>(from)
#undef _mm256_load_si256
#define _mm256_load_si256(from) instruction_model::load<instruction_model::Vector256>(from)
#undef _mm256_storeu_si256
#define _mm256_storeu_si256 instruction_model::store

#define sha256_avx2_x8 sha256_avx2_x8_in_software
#define sha256_avx2_nodes_x8 sha256_avx2_nodes_x8_in_software
