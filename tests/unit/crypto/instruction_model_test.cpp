// The models that the kernels in software run on (models/) are the instructions that this CPU has, lane by
// lane.
#include <gtest/gtest.h>

#include "crypto/sha256_lanes.h"
#include "crypto/sha256_shani.h"
#include "tests/unit/crypto/models/instructions.h"

namespace sluice::crypto {
namespace {

void expect_no_wrong(const char* (*first_wrong)(uint64_t seed)) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const char* const wrong = first_wrong(seed);
    ASSERT_EQ(wrong, nullptr) << wrong << ", seed " << seed;
  }
}

TEST(InstructionModel, IsThisCpusAvx512) {
  if (!avx512_kernels()) GTEST_SKIP() << "this CPU lacks AVX-512";
  expect_no_wrong(instruction_model::first_wrong_avx512);
}

TEST(InstructionModel, IsThisCpusAvx2) {
  if (!avx2_kernels()) GTEST_SKIP() << "this CPU lacks AVX2";
  expect_no_wrong(instruction_model::first_wrong_avx2);
}

TEST(InstructionModel, IsThisCpusShaNi) {
  if (!has_sha_ni()) GTEST_SKIP() << "this CPU lacks the SHA extensions";
  expect_no_wrong(instruction_model::first_wrong_sha_ni);
}

}  // namespace
}  // namespace sluice::crypto
