#include "ctrl/observed/discovered_pool.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Moment at_moment(int second) {
  return {std::chrono::steady_clock::time_point(seconds(1'000'000 + second)),
          std::chrono::system_clock::time_point(seconds(second))};
}

HostPort place(int number) {
  return {*IpAddress::parse("198.51.100." + std::to_string(number)), 8080};
}

std::vector<Discovered> set(const std::vector<int>& numbers) {
  std::vector<Discovered> entries;
  for (const int number : numbers) entries.push_back({place(number)});
  return entries;
}

class DiscoveredPoolTest : public testing::Test {
 protected:
  bool deliver(const std::vector<int>& numbers, int second) {
    return pool_.deliver(set(numbers), file_, policy_, at_moment(second));
  }
  std::vector<HostPort> withdrawn() const {
    std::vector<HostPort> places;
    for (const auto& [place, weight] : pool_.withdrawn()) places.push_back(place);
    return places;
  }

  std::vector<BackendModel> file_;
  SourcePolicy policy_;
  DiscoveredPool pool_{at_moment(0)};
};

TEST_F(DiscoveredPoolTest, AnOutageTakesNobodyAway) {
  EXPECT_EQ(pool_.state(), SourceState::kConnecting);
  EXPECT_TRUE(deliver({1, 2}, 1));
  EXPECT_EQ(pool_.state(), SourceState::kSynced);
  pool_.lost("connection refused", at_moment(2));
  EXPECT_EQ(pool_.state(), SourceState::kStale);
  EXPECT_EQ(pool_.reason(), "connection refused");
  EXPECT_EQ(pool_.since(), at_moment(2).wall);
  for (int hour = 1; hour < 10'000; ++hour) EXPECT_FALSE(pool_.expire(policy_, at_moment(3600 * hour)));
  EXPECT_EQ(pool_.present(), set({1, 2}));
  EXPECT_EQ(pool_.last_success(), at_moment(1).wall);
  EXPECT_FALSE(pool_.confirm(at_moment(36'000'000)));
  EXPECT_EQ(pool_.state(), SourceState::kSynced);
}

TEST_F(DiscoveredPoolTest, FailsWhereNothingEverCame) {
  pool_.lost("timed out", at_moment(1));
  EXPECT_EQ(pool_.state(), SourceState::kFailed);
  EXPECT_FALSE(pool_.last_success());
  EXPECT_FALSE(pool_.confirm(at_moment(2))) << "nothing was delivered that could hold";
  EXPECT_EQ(pool_.state(), SourceState::kFailed);
}

TEST_F(DiscoveredPoolTest, SilenceIsAnOutage) {
  deliver({1}, 0);
  pool_.expire(policy_, at_moment(70));
  EXPECT_EQ(pool_.state(), SourceState::kSynced);
  pool_.expire(policy_, at_moment(71));
  EXPECT_EQ(pool_.state(), SourceState::kStale);
  EXPECT_EQ(pool_.present(), set({1}));
}

TEST_F(DiscoveredPoolTest, HoldsForAsLongAsItIsTold) {
  policy_.hold_for = seconds(600);
  policy_.guard = 0.1;
  deliver({1, 2}, 0);
  pool_.lost("refused", at_moment(10));
  pool_.lost("refused", at_moment(500));
  EXPECT_FALSE(pool_.expire(policy_, at_moment(609)));
  EXPECT_TRUE(pool_.expire(policy_, at_moment(610))) << "guard or not";
  EXPECT_TRUE(pool_.present().empty());
  EXPECT_EQ(withdrawn(), (std::vector{place(1), place(2)}));
  EXPECT_FALSE(pool_.expire(policy_, at_moment(700)));
  EXPECT_TRUE(pool_.confirm(at_moment(800))) << "what was delivered holds still";
  EXPECT_EQ(pool_.present(), set({1, 2}));
  EXPECT_TRUE(withdrawn().empty());
}

TEST_F(DiscoveredPoolTest, AfterAnOutageTheGuardComparesWithTheLastGoodSet) {
  policy_.hold_for = seconds(60);
  policy_.guard = 0.5;
  deliver({1, 2, 3, 4}, 0);
  pool_.lost("refused", at_moment(10));
  EXPECT_TRUE(pool_.expire(policy_, at_moment(70)));
  EXPECT_TRUE(deliver({1}, 80)) << "the last good set is back";
  EXPECT_EQ(pool_.state(), SourceState::kHeld);
  EXPECT_EQ(pool_.present(), set({1, 2, 3, 4}));
}

TEST_F(DiscoveredPoolTest, WhatSaysNothingThereEmptiesThePool) {
  deliver({1, 2}, 0);
  EXPECT_TRUE(deliver({}, 1));
  EXPECT_TRUE(pool_.present().empty());
  EXPECT_EQ(pool_.state(), SourceState::kSynced);
}

TEST_F(DiscoveredPoolTest, HoldsOnEmptyUntilReleased) {
  policy_.on_empty = OnEmpty::kHold;
  deliver({1, 2}, 0);
  EXPECT_FALSE(deliver({}, 1));
  EXPECT_EQ(pool_.state(), SourceState::kHeld);
  EXPECT_TRUE(pool_.is_held());
  EXPECT_TRUE(pool_.release(policy_, at_moment(2)));
  EXPECT_TRUE(pool_.present().empty());
  EXPECT_EQ(pool_.state(), SourceState::kSynced);
  EXPECT_FALSE(pool_.release(policy_, at_moment(3)));
}

TEST_F(DiscoveredPoolTest, AGuardHoldsUntilTheNextIsWithinIt) {
  policy_.guard = 0.5;
  deliver({1, 2, 3, 4}, 0);
  EXPECT_FALSE(deliver({1}, 1));
  EXPECT_EQ(pool_.present(), set({1, 2, 3, 4}));
  EXPECT_EQ(pool_.state(), SourceState::kHeld);
  EXPECT_FALSE(pool_.confirm(at_moment(2)));
  EXPECT_EQ(pool_.state(), SourceState::kHeld) << "it says the same still";
  pool_.lost("refused", at_moment(3));
  EXPECT_EQ(pool_.state(), SourceState::kStale);
  EXPECT_TRUE(pool_.is_held());
  EXPECT_TRUE(deliver({1, 2}, 4)) << "half is not more than half";
  EXPECT_FALSE(pool_.is_held());
  EXPECT_EQ(pool_.state(), SourceState::kSynced);
}

TEST_F(DiscoveredPoolTest, MembersOfTheFileCountForTheGuard) {
  policy_.guard = 0.5;
  for (const int number : {7, 8, 9}) file_.push_back({place(number).address, place(number).port});
  deliver({1, 2, 3}, 0);
  EXPECT_TRUE(deliver({}, 1)) << "three of six";
}

TEST_F(DiscoveredPoolTest, WhoOnlyDrainsIsTakenAwayToo) {
  policy_.guard = 0.5;
  deliver({1, 2}, 0);
  std::vector<Discovered> draining = set({1, 2});
  for (Discovered& one : draining) one.takes_new_flows = false;
  EXPECT_FALSE(pool_.deliver(draining, file_, policy_, at_moment(1)));
  EXPECT_TRUE(pool_.is_held());
}

TEST_F(DiscoveredPoolTest, WithdrawnMembersDrainOrGo) {
  deliver({1, 2, 3}, 0);
  deliver({1}, 1);
  EXPECT_EQ(withdrawn(), (std::vector{place(2), place(3)}));
  deliver({1, 3}, 2);
  EXPECT_EQ(withdrawn(), std::vector{place(2)}) << "who comes back is none of them";
  EXPECT_TRUE(pool_.forget(place(2)));
  EXPECT_FALSE(pool_.forget(place(2)));
  policy_.withdraw = Withdraw::kRemove;
  deliver({}, 3);
  EXPECT_TRUE(withdrawn().empty());
}

TEST_F(DiscoveredPoolTest, AnotherSubscriptionKeepsWhatIsKnown) {
  deliver({1}, 0);
  pool_.restart(at_moment(1));
  EXPECT_EQ(pool_.state(), SourceState::kConnecting);
  EXPECT_EQ(pool_.present(), set({1}));
  pool_.lost("refused", at_moment(2));
  EXPECT_EQ(pool_.state(), SourceState::kStale);
  deliver({2}, 3);
  EXPECT_EQ(pool_.present(), set({2}));
}

}  // namespace
}  // namespace sluice::ctrl
