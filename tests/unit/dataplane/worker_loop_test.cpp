#include "dataplane/roles/worker_loop.h"

#include <gtest/gtest.h>

namespace sluice::dataplane {
namespace {

TEST(MillisecondClock, CountsMilliseconds) {
  for (const uint64_t hertz : {1'000'000'000ul, 2'599'998'000ul, 4'000'000'000ul}) {
    const MillisecondClock clock(hertz);
    EXPECT_EQ(clock.at(0), 0u);
    EXPECT_EQ(clock.at(hertz / 2), 499u + (hertz % 1000 == 0 ? 0 : 1))
        << "rounded down, by less than a cycle";
    EXPECT_NEAR(clock.at(hertz * 3600), 3'600'000, 1);
  }
}

TEST(MillisecondClock, WrapsAfter49Days) {
  constexpr uint64_t kHertz = 2'600'000'000;
  const MillisecondClock clock(kHertz);
  const uint64_t seconds = 4'294'968;  // the first whole second beyond 2^32 ms
  EXPECT_LT(clock.at(kHertz * seconds), 1000u);
  EXPECT_GT(clock.at(kHertz * (seconds - 2)), UINT32_MAX - 3000u);
}

TEST(Rest, ComesLateAndGrowsToABound) {
  EXPECT_EQ(rest_microseconds(1), 0u);
  EXPECT_EQ(rest_microseconds(255), 0u);
  EXPECT_EQ(rest_microseconds(256), 10u);
  uint32_t previous = 0;
  for (uint32_t polls = 0; polls < 10'000; ++polls) {
    EXPECT_GE(rest_microseconds(polls), previous);
    previous = rest_microseconds(polls);
  }
  EXPECT_EQ(previous, 500u);
  EXPECT_EQ(rest_microseconds(UINT32_MAX), 500u);
}

}  // namespace
}  // namespace sluice::dataplane
