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

}  // namespace
}  // namespace sluice::ctrl
