// The instructions of the SHA extensions, model and CPU. Compiled for them alone.
#include <immintrin.h>

#include "tests/unit/crypto/models/comparison.h"
#include "tests/unit/crypto/models/instructions.h"
#include "tests/unit/crypto/models/sha_ni.h"

namespace instruction_model {
const char* first_wrong_sha_ni(uint64_t seed) {
  Comparison is(seed);
  const auto a = is.vector<Vector128>(), b = is.vector<Vector128>(), c = is.vector<Vector128>();
  const auto x = real<__m128i>(a), y = real<__m128i>(b), z = real<__m128i>(c);
  is.expect_same("sha256rnds2", sha256_rounds2(a, b, c), _mm_sha256rnds2_epu32(x, y, z));
  is.expect_same("sha256msg1", sha256_message1(a, b), _mm_sha256msg1_epu32(x, y));
  is.expect_same("sha256msg2", sha256_message2(a, b), _mm_sha256msg2_epu32(x, y));
  return is.wrong();
}

}  // namespace instruction_model
