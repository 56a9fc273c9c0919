#include "lb/schedule.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <numeric>

#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

std::vector<WeightedEndpoint> weighted(const std::vector<uint32_t>& weights) {
  auto backends = many_endpoints(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) backends[i].weight = weights[i];
  return backends;
}

std::map<BackendId, size_t> counts(const std::vector<BackendId>& schedule) {
  std::map<BackendId, size_t> result;
  for (const BackendId id : schedule) ++result[id];
  return result;
}

TEST(BuildSchedule, IsEmptyWithoutBackends) {
  EXPECT_TRUE(build_schedule({}, 65536).empty());
}

TEST(BuildSchedule, TakesEqualBackendsInTurn) {
  EXPECT_EQ(build_schedule(weighted({500, 500, 500}), 65536), (std::vector<BackendId>{0, 1, 2}));
}

TEST(BuildSchedule, SpreadsLightBackendsBetweenTheHeavyOnes) {
  const auto schedule = build_schedule(weighted({4, 1, 1, 1, 1}), 65536);
  ASSERT_EQ(schedule.size(), 8u);
  for (size_t i = 0; i < schedule.size(); ++i) EXPECT_EQ(schedule[i] == 0, i % 2 == 0) << i;
}

TEST(BuildSchedule, ScalesGreatWeightsDown) {
  const auto schedule = build_schedule(weighted({65535, 32768, 1}), 65536);
  EXPECT_LE(schedule.size(), 65536u);
  EXPECT_GT(schedule.size(), 65500u);
  auto count = counts(schedule);
  EXPECT_EQ(count[2], 1u);
  EXPECT_NEAR(static_cast<double>(count[0]) / static_cast<double>(count[1]), 65535.0 / 32768, 0.001);
}

TEST(BuildSchedule, GivesEachOneEntryWhereThereIsNoRoomForMore) {
  std::vector<uint32_t> weights(100, 1);
  weights[3] = 65535;
  const auto exact = build_schedule(weighted(weights), 100);
  EXPECT_EQ(counts(exact).size(), 100u);
  const auto short_of_room = build_schedule(weighted(weights), 60);
  EXPECT_EQ(short_of_room.size(), 60u);
  EXPECT_EQ(counts(short_of_room).size(), 60u);
}

RC_GTEST_PROP(BuildSchedule, KeepsEveryPrefixWithinOneEntryOfEachShare, ()) {
  const auto weights = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint32_t>>(
      rc::gen::oneOf(rc::gen::inRange<uint32_t>(1, 6), rc::gen::inRange<uint32_t>(1, 200))));
  const auto schedule = build_schedule(weighted(weights), 65536);
  const uint64_t divisor = std::accumulate(weights.begin(), weights.end(), uint32_t{0},
                                           [](uint32_t a, uint32_t b) { return std::gcd(a, b); });
  const uint64_t sum = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  RC_ASSERT(schedule.size() == sum / divisor);
  std::vector<int64_t> used(weights.size());
  for (size_t length = 1; length <= schedule.size(); ++length) {
    ++used[schedule[length - 1]];
    for (size_t i = 0; i < weights.size(); ++i) {
      // |used - length * weight / sum| < 1, in integers
      const auto error = used[i] * static_cast<int64_t>(sum) - static_cast<int64_t>(length * weights[i]);
      RC_ASSERT(std::abs(error) < static_cast<int64_t>(sum));
    }
  }
}

RC_GTEST_PROP(BuildSchedule, StaysWithinItsBoundAndLeavesNobodyOut, ()) {
  const auto weights =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(1, 65536)));
  const auto most = *rc::gen::inRange<uint32_t>(static_cast<uint32_t>(weights.size()), 1000);
  RC_PRE(weights.size() <= most);
  const auto schedule = build_schedule(weighted(weights), most);
  RC_ASSERT(schedule.size() <= most);
  RC_ASSERT(counts(schedule).size() == weights.size());
}

}  // namespace
}  // namespace sluice::lb
