#include "dataplane/base/token_bucket.h"

#include <gtest/gtest.h>

namespace sluice::dataplane {
namespace {

TEST(TokenBucket, GivesTheBurstThenTheRate) {
  TokenBucket bucket(100, 5);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take(1000)) << i;
  EXPECT_FALSE(bucket.take(1000));
  EXPECT_FALSE(bucket.take(1009));
  EXPECT_TRUE(bucket.take(1010));
  EXPECT_FALSE(bucket.take(1010));
}

TEST(TokenBucket, RefillsNoFurtherThanItsBurst) {
  TokenBucket bucket(100, 5);
  EXPECT_TRUE(bucket.take(0));
  int taken = 0;
  while (bucket.take(1000000)) ++taken;
  EXPECT_EQ(taken, 5);
}

TEST(TokenBucket, SurvivesTheWrapOfTheClock) {
  TokenBucket bucket(1000, 1);
  EXPECT_TRUE(bucket.take(UINT32_MAX));
  EXPECT_FALSE(bucket.take(UINT32_MAX));
  EXPECT_TRUE(bucket.take(0));
  EXPECT_FALSE(bucket.take(0));
}

TEST(TokenBucket, KeepsFractions) {
  TokenBucket bucket(300, 1);
  uint32_t taken = 0;
  for (uint32_t ms = 0; ms < 1000; ++ms) taken += bucket.take(ms);
  EXPECT_EQ(taken, 250u);  // one every 4 ms: at 3.33 ms there is no look
}

}  // namespace
}  // namespace sluice::dataplane
