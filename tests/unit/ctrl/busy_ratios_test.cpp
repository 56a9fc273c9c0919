#include "ctrl/store/busy_ratios.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

TEST(BusyRatios, AreThoseOfTheLastSecond) {
  BusyRatios ratios;
  const BusyRatios::Time start{};
  const auto observe = [&](std::vector<WorkerCycles> cycles, int at_ms) {
    ratios.observe(cycles, start + milliseconds(at_ms));
  };
  EXPECT_EQ(ratios.of(0), 0);
  observe({{100, 900}, {0, 1000}}, 0);
  EXPECT_EQ(ratios.of(0), 0.1);
  observe({{5000, 900}, {0, 1000}}, 999);
  EXPECT_EQ(ratios.of(0), 0.1) << "the second is not over";
  observe({{850, 1150}, {1000, 1000}}, 1000);
  EXPECT_EQ(ratios.of(0), 0.75);
  EXPECT_EQ(ratios.of(1), 1.0);
  observe({{850, 2150}, {1000, 1000}}, 2000);
  EXPECT_EQ(ratios.of(0), 0.0) << "what was busy before is history";
  EXPECT_EQ(ratios.of(1), 1.0) << "a poll that lasts is no news";
}

}  // namespace
}  // namespace sluice::ctrl
