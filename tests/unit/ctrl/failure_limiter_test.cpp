#include "ctrl/access/failure_limiter.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;
using Limiter = FailureLimiter;

const Limiter::Time kBegin{1h};

TEST(FailureLimiter, AHundredFailuresInTenSecondsPauseASourceForTen) {
  Limiter limiter;
  for (int i = 0; i < 99; ++i) limiter.note_failure("a", kBegin + i * 100ms);
  EXPECT_FALSE(limiter.is_paused("a", kBegin + 9900ms));
  limiter.note_failure("a", kBegin + 9900ms);
  EXPECT_TRUE(limiter.is_paused("a", kBegin + 9900ms));
  EXPECT_FALSE(limiter.is_paused("b", kBegin + 9900ms));
  EXPECT_TRUE(limiter.is_paused("a", kBegin + 19899ms));
  EXPECT_FALSE(limiter.is_paused("a", kBegin + 19900ms));
  limiter.note_failure("a", kBegin + 19900ms);
  EXPECT_FALSE(limiter.is_paused("a", kBegin + 19900ms)) << "it begins anew";
}

TEST(FailureLimiter, FailuresThatAreFurtherApartPauseNobody) {
  Limiter limiter;
  for (int i = 0; i < 1000; ++i) {
    limiter.note_failure("a", kBegin + i * 102ms);
    EXPECT_FALSE(limiter.is_paused("a", kBegin + i * 102ms));
  }
}

TEST(FailureLimiter, StrangersByTheThousandNeitherFillMemoryNorFreeWhoIsPaused) {
  Limiter limiter;
  for (int i = 0; i < 100; ++i) limiter.note_failure("paused", kBegin);
  for (int i = 0; i < 20'000; ++i) limiter.note_failure("stranger " + std::to_string(i), kBegin + 1ms);
  EXPECT_LE(limiter.sources(), Limiter::kMostSources);
  EXPECT_TRUE(limiter.is_paused("paused", kBegin + 1ms));
  limiter.note_failure("later", kBegin + 30s);
  EXPECT_EQ(limiter.sources(), 1u) << "who has been quiet is forgotten";
}

TEST(SourceOf, IsTheAddressOrItsNetwork) {
  EXPECT_EQ(source_of("192.0.2.1:50000"), "192.0.2.1");
  EXPECT_EQ(source_of("[2001:db8:1:2:3:4:5:6]:50000"), "2001:db8:1:2::/64");
  EXPECT_EQ(source_of("[2001:db8:1:2::9]:1"), source_of("[2001:db8:1:2:ffff::]:2"));
  EXPECT_EQ(source_of("[::ffff:192.0.2.1]:50000"), "192.0.2.1");
  EXPECT_EQ(source_of("[fe80::1%eth0]:5"), "fe80::/64");
}

}  // namespace
}  // namespace sluice::ctrl
