// Forced into the compilation of the SHA-NI kernels: the instructions of the SHA extensions are their models.
#pragma once

#include <immintrin.h>

#include "tests/unit/crypto/models/sha_ni.h"

#undef _mm_sha256rnds2_epu32
#define _mm_sha256rnds2_epu32(cdgh, abef, input)                                                   \
  instruction_model::as<__m128i>(                                                                  \
      instruction_model::sha256_rounds2(instruction_model::as<instruction_model::Vector128>(cdgh), \
                                        instruction_model::as<instruction_model::Vector128>(abef), \
                                        instruction_model::as<instruction_model::Vector128>(input)))
#undef _mm_sha256msg1_epu32
#define _mm_sha256msg1_epu32(a, b)                                                               \
  instruction_model::as<__m128i>(                                                                \
      instruction_model::sha256_message1(instruction_model::as<instruction_model::Vector128>(a), \
                                         instruction_model::as<instruction_model::Vector128>(b)))
#undef _mm_sha256msg2_epu32
#define _mm_sha256msg2_epu32(a, b)                                                               \
  instruction_model::as<__m128i>(                                                                \
      instruction_model::sha256_message2(instruction_model::as<instruction_model::Vector128>(a), \
                                         instruction_model::as<instruction_model::Vector128>(b)))

#define sha256_shani sha256_shani_in_software
#define sha256_shani_nodes sha256_shani_nodes_in_software
