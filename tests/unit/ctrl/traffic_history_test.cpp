#include "ctrl/telemetry/traffic_history.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr TrafficHistory::Time kFirstMoment{100s};

TEST(TrafficHistory, IsPacketsASecond) {
  TrafficHistory history;
  history.observe({1000, 500, 7}, kFirstMoment);
  EXPECT_TRUE(history.samples().empty());  // nothing to compare with
  history.observe({1200, 600, 8}, kFirstMoment + 1s);
  history.observe({1300, 900, 8}, kFirstMoment + 2s);
  ASSERT_EQ(history.samples().size(), 2u);
  EXPECT_DOUBLE_EQ(history.samples()[0].received, 200);
  EXPECT_DOUBLE_EQ(history.samples()[0].transmitted, 100);
  EXPECT_DOUBLE_EQ(history.samples()[0].dropped, 1);
  EXPECT_DOUBLE_EQ(history.samples()[1].received, 100);
}

TEST(TrafficHistory, WhoLooksMoreOftenChangesNothing) {
  TrafficHistory history;
  history.observe({0, 0, 0}, kFirstMoment);
  for (auto now = kFirstMoment; now < kFirstMoment + 1s; now += 100ms) history.observe({50, 0, 0}, now);
  history.observe({100, 0, 0}, kFirstMoment + 1s);
  ASSERT_EQ(history.samples().size(), 1u);
  EXPECT_DOUBLE_EQ(history.samples()[0].received, 100);
}

TEST(TrafficHistory, AWhileThatWasMissedIsFilledWithItsMean) {
  TrafficHistory history;
  history.observe({0, 0, 0}, kFirstMoment);
  history.observe({4000, 0, 0}, kFirstMoment + 4s);
  ASSERT_EQ(history.samples().size(), 4u);
  for (const auto& sample : history.samples()) EXPECT_DOUBLE_EQ(sample.received, 1000);
  EXPECT_FALSE(history.is_due(kFirstMoment + 4900ms));
  EXPECT_TRUE(history.is_due(kFirstMoment + 5s));
}

TEST(TrafficHistory, KeepsSoManyAndNoMore) {
  TrafficHistory history;
  for (uint64_t second = 0; second <= TrafficHistory::kSamples + 10; ++second) {
    history.observe({second * second, 0, 0}, kFirstMoment + std::chrono::seconds(second));
  }
  EXPECT_EQ(history.samples().size(), TrafficHistory::kSamples);
  EXPECT_DOUBLE_EQ(history.samples().front().received, 2 * 10 + 1);
  history.observe({0, 0, 0}, kFirstMoment + 24h);
  EXPECT_EQ(history.samples().size(), TrafficHistory::kSamples);
  EXPECT_FALSE(history.is_due(kFirstMoment + 24h));
}

}  // namespace
}  // namespace sluice::ctrl
