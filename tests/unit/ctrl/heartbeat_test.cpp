#include "ctrl/daemon/heartbeat.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;

TEST(Heartbeat, AWorkerThatStandsStillIsStuck) {
  Heartbeat heartbeat(5s);
  const Heartbeat::Time start{};
  EXPECT_TRUE(heartbeat.stuck(start).empty());
  heartbeat.observe(std::array<uint64_t, 2>{0, 0}, start);
  heartbeat.observe(std::array<uint64_t, 2>{10, 0}, start + 4s);
  EXPECT_TRUE(heartbeat.stuck(start + 5s).empty());
  EXPECT_EQ(heartbeat.stuck(start + 6s), std::vector<unsigned>{1});
  heartbeat.observe(std::array<uint64_t, 2>{10, 1}, start + 6s);
  EXPECT_TRUE(heartbeat.stuck(start + 9s).empty());
  EXPECT_EQ(heartbeat.stuck(start + 10s), std::vector<unsigned>{0});
}

TEST(Heartbeat, SaysOnceThatAWorkerIsStuck) {
  Heartbeat heartbeat(1s);
  const Heartbeat::Time start{};
  const std::vector<uint64_t> before{1, 1}, after{2, 1};
  heartbeat.observe(before, start);
  EXPECT_TRUE(heartbeat.newly_stuck(start + 1s).empty());
  heartbeat.observe(after, start + 1s);
  EXPECT_EQ(heartbeat.newly_stuck(start + 2s), std::vector<unsigned>{1});
  EXPECT_TRUE(heartbeat.newly_stuck(start + 2s).empty());
  heartbeat.observe(std::vector<uint64_t>{3, 2}, start + 3s);
  EXPECT_TRUE(heartbeat.newly_stuck(start + 3s).empty());
  EXPECT_EQ(heartbeat.newly_stuck(start + 9s), (std::vector<unsigned>{0, 1})) << "and again, later";
}

}  // namespace
}  // namespace sluice::ctrl
