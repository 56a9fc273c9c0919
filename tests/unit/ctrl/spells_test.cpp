#include "ctrl/telemetry/spells.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr Spells::Time kFirstSecond{1'700'000'000s};

TEST(Spells, WhatIsSeenAgainInTimeIsOneSpell) {
  Spells spells(10s);
  for (const auto after : {0s, 10s, 15s, 25s}) spells.see("a", kFirstSecond + after);
  const auto spell = spells.last_of("a");
  ASSERT_TRUE(spell);
  EXPECT_EQ(spell->since, kFirstSecond);
  EXPECT_EQ(spell->last, kFirstSecond + 25s);
}

TEST(Spells, WhatIsSeenLaterBeginsAnew) {
  Spells spells(10s);
  spells.see("a", kFirstSecond);
  spells.see("a", kFirstSecond + 10001ms);
  EXPECT_EQ(spells.last_of("a")->since, kFirstSecond + 10001ms);
}

TEST(Spells, OnlyThoseThatLastArePresent) {
  Spells spells(3s);
  spells.see("old", kFirstSecond);
  spells.see("new", kFirstSecond + 2s);
  EXPECT_EQ(spells.present(kFirstSecond + 3s),
            (std::map<std::string, Spells::Time>{{"old", kFirstSecond}, {"new", kFirstSecond + 2s}}));
  EXPECT_EQ(spells.present(kFirstSecond + 4s),
            (std::map<std::string, Spells::Time>{{"new", kFirstSecond + 2s}}));
  EXPECT_TRUE(spells.last_of("old"));  // what has ended is still known
  EXPECT_FALSE(spells.last_of("never"));
}

TEST(Spells, AClockThatIsSetBackEndsNothing) {
  Spells spells(3s);
  spells.see("a", kFirstSecond);
  spells.see("a", kFirstSecond - 3600s);
  EXPECT_EQ(spells.last_of("a")->since, kFirstSecond);
}

}  // namespace
}  // namespace sluice::ctrl
