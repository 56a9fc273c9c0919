#include "common/check.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Check, LetsWhatHoldsPass) {
  check(true, "one is one");
  check_index(3, 4, "worker");
}

TEST(CheckDeathTest, SaysWhatAndWhereAndEndsTheProcess) {
  EXPECT_EXIT(check(false, "blocks come back in their order"), testing::KilledBySignal(SIGABRT),
              "broken invariant: blocks come back in their order \\(.*check_test.cpp:[0-9]+, .*\\)\n");
}

TEST(CheckDeathTest, SaysWhichNumberIsOutOfRange) {
  EXPECT_EXIT(check_index(4, 4, "worker"), testing::KilledBySignal(SIGABRT),
              "broken invariant: the number 4 of a worker is below 4 \\(.*check_test.cpp:[0-9]+, .*\\)\n");
  EXPECT_EXIT(check_index(UINT64_MAX, 4, "worker"), testing::KilledBySignal(SIGABRT),
              "the number 18446744073709551615 of a worker is below 4");
}

TEST(CheckDeathTest, EndsWhatNoSwitchReaches) {
  EXPECT_EXIT(end_broken("a policy is one of the six"), testing::KilledBySignal(SIGABRT),
              "broken invariant: a policy is one of the six");
}

}  // namespace
}  // namespace sluice
