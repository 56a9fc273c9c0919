#include "lb/displaced.h"

#include <gtest/gtest.h>

namespace sluice::lb {
namespace {

constexpr uint32_t kRound = 3;

TEST(Displaced, TellsWhichHalfOfASplitBucketAnEntryBelongsTo) {
  constexpr uint64_t kLow = 0x000'200, kHigh = 0x801'400;
  Displaced from;
  from.note(kLow, kRound);
  from.note(kHigh, kRound);
  Displaced to = from.split(0x800'000);
  EXPECT_EQ(from.count(kRound), 1u);
  EXPECT_EQ(to.count(kRound), 1u);
  EXPECT_TRUE(from.may_have(kLow, kRound));
  EXPECT_FALSE(from.may_have(kHigh, kRound));
  EXPECT_TRUE(to.may_have(kHigh, kRound));
  EXPECT_FALSE(to.may_have(kLow, kRound));
}

TEST(Displaced, KeepsAnEntryInBothHalvesWhereItsMarkDoesNotTellWhich) {
  constexpr uint64_t kHash = 0x1'000'200;
  Displaced from;
  from.note(kHash, kRound);
  Displaced to = from.split(0x1'000'000);
  EXPECT_TRUE(from.may_have(kHash, kRound));
  EXPECT_TRUE(to.may_have(kHash, kRound));
  to.forget(kHash, kRound);
  EXPECT_EQ(to.count(kRound), 0u);
}

}  // namespace
}  // namespace sluice::lb
