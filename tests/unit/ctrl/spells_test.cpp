#include "ctrl/telemetry/spells.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr Spells::Time kStart{1'700'000'000s};

TEST(Spells, WhatIsSeenAgainInTimeIsOneSpell) {
  Spells spells(10s);
  for (const auto after : {0s, 10s, 15s, 25s}) spells.see("a", kStart + after);
  const auto spell = spells.last_of("a");
  ASSERT_TRUE(spell);
  EXPECT_EQ(spell->since, kStart);
  EXPECT_EQ(spell->last, kStart + 25s);
}

TEST(Spells, WhatIsSeenLaterBeginsAnew) {
  Spells spells(10s);
  spells.see("a", kStart);
  spells.see("a", kStart + 10001ms);
  EXPECT_EQ(spells.last_of("a")->since, kStart + 10001ms);
}

TEST(Spells, OnlyThoseThatLastArePresent) {
  Spells spells(3s);
  spells.see("old", kStart);
  spells.see("new", kStart + 2s);
  EXPECT_EQ(spells.present(kStart + 3s),
            (std::map<std::string, Spells::Time>{{"old", kStart}, {"new", kStart + 2s}}));
  EXPECT_EQ(spells.present(kStart + 4s), (std::map<std::string, Spells::Time>{{"new", kStart + 2s}}));
  EXPECT_TRUE(spells.last_of("old"));  // what has ended is still known
  EXPECT_FALSE(spells.last_of("never"));
}

TEST(Spells, AClockThatIsSetBackEndsNothing) {
  Spells spells(3s);
  spells.see("a", kStart);
  spells.see("a", kStart - 3600s);
  EXPECT_EQ(spells.last_of("a")->since, kStart);
}

}  // namespace
}  // namespace sluice::ctrl
