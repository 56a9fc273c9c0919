// Both widths of the AVX-512 kernels, whichever of them suits this CPU.
#include "crypto/sha256_lanes.h"

#include <gtest/gtest.h>

#include "crypto/sha256_choice.h"

namespace sluice::crypto {
namespace {

class LaneSha256Test : public testing::TestWithParam<unsigned> {};

INSTANTIATE_TEST_SUITE_P(Widths, LaneSha256Test, testing::Values(kLanes, kMostLanes));

TEST_P(LaneSha256Test, HashesLikeOpenSsl) {
  std::optional<LaneSha256> engine = LaneSha256::create(GetParam());
  if (!engine) GTEST_SKIP() << "this CPU lacks AVX-512";
  const Result<void> tested = self_test(
      Sha256Calls{.hash = [&](std::span<const Message> messages) { engine->hash(messages); },
                  .hash_nodes = [&](std::span<const Digest> children,
                                    std::span<Digest> parents) { engine->hash_nodes(children, parents); }});
  EXPECT_TRUE(tested) << tested.error().message;
}

}  // namespace
}  // namespace sluice::crypto
