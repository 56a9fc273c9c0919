// Slow starts: when they begin, how they go on, and what they do to tables.
#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/observed/backend_statuses.h"
#include "tests/unit/ctrl/observed_world.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/web_backend.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Steady = std::chrono::steady_clock::time_point;

json slow_config(const char* slow_start) {
  json config = test::sample_config();
  config["pools"][0]["slow_start"] = slow_start;
  config["pools"][0]["health"] = {{"type", "tcp"}};
  return config;
}

class SlowStart : public testing::Test {
 protected:
  SlowStart() { follow(slow_config("30s")); }

  void follow(const json& config) {
    auto parsed = parse_config(config);
    ASSERT_TRUE(parsed);
    Model next = std::move(*parsed);
    if (model_) share_unchanged(*model_, next);
    const auto before = std::exchange(model_, std::make_shared<const Model>(std::move(next)));
    test::follow(statuses_, before ? *before : Model{}, *model_, {});
    statuses_.commit();
  }
  /// The weights that count, in order of address.
  std::vector<uint32_t> weights() {
    const auto effective = test::effective(model_, statuses_.all());
    std::vector<uint32_t> result;
    for (const EffectiveBackend& backend : effective->pools.at("web")->backends) {
      result.push_back(backend.takes_flows() ? backend.weight : 0);
    }
    return result;
  }
  /// Of its whole weight, of each; tables follow from both.
  std::vector<uint32_t> tenths() {
    const auto effective = test::effective(model_, statuses_.all());
    std::vector<uint32_t> result;
    for (const EffectiveBackend& backend : effective->pools.at("web")->backends)
      result.push_back(backend.tenths);
    return result;
  }
  bool advance(milliseconds at) {
    const bool differs = statuses_.advance_slow_starts(*model_, Steady(seconds(100) + at)).contains("web");
    statuses_.commit();
    return differs;
  }
  void check(int number, bool healthy) {
    statuses_.set_health(web(number), healthy, "", {});
    statuses_.commit();
  }

  std::shared_ptr<const Model> model_;
  BackendStatuses statuses_;
};

using Weights = std::vector<uint32_t>;

TEST_F(SlowStart, NobodyStartsSlowlyWhenTheGatewayStarts) {
  EXPECT_EQ(weights(), (Weights{1, 2, 1}));
  EXPECT_FALSE(statuses_.has_slow_starts());
}

TEST_F(SlowStart, WhoComesBackFromDownGrowsFromATenthToAllInTime) {
  check(12, false);
  EXPECT_EQ(weights(), (Weights{1, 0, 1}));
  check(12, true);
  EXPECT_EQ(weights(), (Weights{10, 2, 10}));  // tenths of 1, 2 and 1
  EXPECT_EQ(tenths(), (Weights{10, 1, 10}));
  EXPECT_FALSE(advance(milliseconds(0)));
  uint32_t before = 2;
  for (int ms = 0; ms <= 30'000; ms += 100) {
    advance(milliseconds(ms));
    const uint32_t now = ms < 30'000 ? weights()[1] : 20;
    const double line = 20 * (0.1 + 0.9 * ms / 30'000);
    EXPECT_LE(now, line + 1e-9) << ms;
    EXPECT_GT(now, line - 2 - 1e-9) << ms;  // less than a tenth of the weight below it
    EXPECT_LE(now - before, 2u) << ms;
    before = now;
  }
  EXPECT_EQ(weights(), (Weights{1, 2, 1}));
  EXPECT_EQ(tenths(), (Weights{10, 10, 10}));
  advance(milliseconds(30'100));
  EXPECT_FALSE(statuses_.has_slow_starts());
}

TEST_F(SlowStart, SoDoWhoIsAddedAndWhoIsSetActive) {
  json config = slow_config("30s");
  config["pools"][0]["backends"].push_back({{"address", "198.51.100.14"}, {"port", 8080}, {"weight", 3}});
  follow(config);
  EXPECT_EQ(weights(), (Weights{10, 20, 10, 3}));
  advance(milliseconds(0));
  advance(milliseconds(30'000));
  EXPECT_EQ(weights(), (Weights{1, 2, 1, 3}));
  for (const AdminState away : {AdminState::kDraining, AdminState::kMaintenance}) {
    statuses_.set_admin(web(11), away, {});
    statuses_.set_admin(web(11), AdminState::kActive, {});
    statuses_.commit();
    EXPECT_EQ(weights(), (Weights{1, 20, 10, 30}));
    advance(milliseconds(100'000));
    advance(milliseconds(130'000));
    EXPECT_EQ(weights(), (Weights{1, 2, 1, 3}));
  }
}

TEST_F(SlowStart, APoolThatIsNewStartsAtOnce) {
  json config = slow_config("30s");
  config["pools"].push_back(config["pools"][0]);
  config["pools"][3]["name"] = "other";
  follow(config);
  EXPECT_FALSE(statuses_.has_slow_starts());
}

TEST_F(SlowStart, WhoGoesDownAgainBeginsAnew) {
  check(12, false);
  check(12, true);
  advance(milliseconds(0));
  EXPECT_TRUE(advance(milliseconds(20'000)));
  EXPECT_EQ(weights(), (Weights{10, 14, 10}));
  check(12, false);
  EXPECT_EQ(weights(), (Weights{1, 0, 1}));
  check(12, true);
  EXPECT_EQ(weights(), (Weights{10, 2, 10}));
}

TEST_F(SlowStart, WithoutOneEverybodyCountsAtOnce) {
  follow(slow_config("0s"));
  check(12, false);
  check(12, true);
  EXPECT_EQ(weights(), (Weights{1, 2, 1}));
  EXPECT_FALSE(advance(milliseconds(0)));  // nothing to publish
  advance(milliseconds(100));
  EXPECT_FALSE(statuses_.has_slow_starts());
}

TEST_F(SlowStart, WhatIsTakenBackLeavesNoTrace) {
  check(12, false);
  statuses_.set_health(web(12), true, "", {});
  EXPECT_EQ(weights()[1], 2u);
  statuses_.discard();
  EXPECT_EQ(weights(), (Weights{1, 0, 1}));
  check(12, true);
  EXPECT_EQ(weights(), (Weights{10, 2, 10}));
}

}  // namespace
}  // namespace sluice::ctrl
