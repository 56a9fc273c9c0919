#include "ctrl/observed/backend_statuses.h"

#include <gtest/gtest.h>

#include <random>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/observed_world.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using std::chrono::seconds;

BackendStatuses::Time at_second(int second) {
  return BackendStatuses::Time(seconds(second));
}

BackendKey backend(int number) {
  return {"web", *IpAddress::parse("198.51.100." + std::to_string(number)), 8080};
}

Model checked_model() {
  auto config = test::sample_config();
  config["pools"][0]["health"] = {{"type", "tcp"}};
  return *parse_config(config);
}

TEST(BackendStatuses, FollowsTheModel) {
  BackendStatuses statuses;
  const Model first = checked_model();
  test::follow(statuses, Model{}, first, at_second(1));
  EXPECT_EQ(statuses.all().size(), 5u);
  EXPECT_EQ(statuses.find(backend(11))->since, at_second(1));

  auto config = to_json(first);
  config["pools"][2]["backends"].erase(0);  // of web: pools are in order of name
  config["pools"][2]["backends"].push_back({{"address", "198.51.100.14"}, {"port", 8080}});
  test::follow(statuses, first, *parse_config(config), at_second(2));
  EXPECT_EQ(statuses.find(backend(11)), nullptr);
  EXPECT_EQ(statuses.find(backend(14))->since, at_second(2));
  EXPECT_EQ(statuses.find(backend(12))->since, at_second(1));
}

TEST(BackendStatuses, APoolUnderAnotherNameKeepsWhatAnOperatorSet) {
  BackendStatuses statuses;
  const Model first = checked_model();
  test::follow(statuses, Model{}, first, at_second(1));
  statuses.set_admin(backend(11), AdminState::kMaintenance, at_second(2));
  statuses.set_health(backend(12), false, "connection refused", at_second(2));
  auto config = to_json(first);
  config["pools"][2]["name"] = "shelves";
  config["services"][1]["pool"] = "shelves";
  test::follow(statuses, first, *parse_config(config), at_second(3));
  const auto renamed = [](int number) { return BackendKey{"shelves", backend(number).address, 8080}; };
  EXPECT_EQ(statuses.find(backend(11)), nullptr);
  EXPECT_EQ(statuses.find(renamed(11))->admin, AdminState::kMaintenance);
  EXPECT_EQ(statuses.find(renamed(12))->admin, AdminState::kActive);
  EXPECT_TRUE(statuses.find(renamed(12))->healthy);  // until it is checked
  statuses.discard();
  EXPECT_EQ(statuses.find(renamed(11)), nullptr);
}

TEST(BackendStatuses, KeepsSinceUntilTheStateChanges) {
  BackendStatuses statuses;
  test::follow(statuses, Model{}, checked_model(), at_second(1));
  EXPECT_TRUE(statuses.set_health(backend(11), false, "connection refused", at_second(2)));
  EXPECT_FALSE(statuses.set_health(backend(11), false, "timed out", at_second(3)));
  EXPECT_EQ(statuses.find(backend(11))->since, at_second(2));
  EXPECT_EQ(statuses.find(backend(11))->health_reason, "timed out");
  EXPECT_TRUE(statuses.set_admin(backend(11), AdminState::kDraining, at_second(4)));
  EXPECT_FALSE(statuses.set_admin(backend(11), AdminState::kDraining, at_second(5)));
  EXPECT_EQ(statuses.find(backend(11))->since, at_second(4));
  EXPECT_FALSE(statuses.set_admin(backend(99), AdminState::kDraining, at_second(5)));
}

TEST(BackendStatuses, ForgetsHealthWithItsCheck) {
  BackendStatuses statuses;
  const Model checked = checked_model();
  test::follow(statuses, Model{}, checked, at_second(1));
  statuses.set_health(backend(11), false, "connection refused", at_second(2));
  statuses.set_admin(backend(12), AdminState::kMaintenance, at_second(2));
  test::follow(statuses, checked, *parse_config(test::sample_config()), at_second(3));
  EXPECT_TRUE(statuses.find(backend(11))->healthy);
  EXPECT_EQ(statuses.find(backend(11))->health_reason, "");
  EXPECT_EQ(statuses.find(backend(12))->admin, AdminState::kMaintenance);
}

TEST(BackendStatuses, TakesChangesBack) {
  BackendStatuses statuses;
  const Model model = checked_model();
  test::follow(statuses, Model{}, model, at_second(1));
  statuses.commit();
  statuses.set_health(backend(11), false, "a", at_second(2));
  statuses.set_health(backend(11), false, "b", at_second(3));
  test::follow(statuses, model, Model{}, at_second(4));
  EXPECT_TRUE(statuses.all().empty());
  statuses.discard();
  EXPECT_EQ(statuses.all().size(), 5u);
  EXPECT_TRUE(statuses.find(backend(11))->healthy);
  EXPECT_EQ(statuses.find(backend(11))->since, at_second(1));
}

TEST(BackendStatuses, SaysWhatBecameOfThoseThatAreGone) {
  BackendStatuses statuses;
  const Model model = checked_model();
  test::follow(statuses, Model{}, model, at_second(1));
  statuses.set_health(backend(11), false, "connection refused", at_second(2));
  EXPECT_TRUE(statuses.commit().gone.empty());
  auto config = to_json(model);
  config["pools"][2]["backends"].erase(0);  // of web: pools are in order of name
  test::follow(statuses, model, *parse_config(config), at_second(3));
  const auto changes = statuses.commit();
  EXPECT_TRUE(changes.backends.empty());
  ASSERT_EQ(changes.gone.size(), 1u);
  EXPECT_EQ(changes.gone[0].key, backend(11));
  EXPECT_EQ(changes.gone[0].state, lb::BackendState::kDown);
  EXPECT_EQ(changes.gone[0].reason, "connection refused");
  EXPECT_EQ(changes.gone[0].since, at_second(2));
}

TEST(BackendStatuses, SaysWhatAStepCameTo) {
  BackendStatuses statuses;
  const Model model = checked_model();
  test::follow(statuses, Model{}, model, at_second(1));
  const auto started = statuses.commit();
  EXPECT_TRUE(started.backends.empty());
  const size_t listed = statuses.pool("web").listed;
  EXPECT_EQ(statuses.pool("web"), (PoolAvailability{listed, listed}));

  statuses.set_health(backend(11), false, "connection refused", at_second(2));
  const auto down = statuses.commit();
  ASSERT_EQ(down.backends.size(), 1u);
  EXPECT_EQ(down.backends[0].key, backend(11));
  EXPECT_EQ(down.backends[0].from, lb::BackendState::kActive);
  EXPECT_EQ(down.backends[0].to, lb::BackendState::kDown);
  EXPECT_EQ(down.backends[0].reason, "connection refused");
  EXPECT_EQ(down.backends[0].since_before, at_second(1));
  ASSERT_EQ(down.pools.size(), 1u);
  EXPECT_EQ(down.pools[0].available_before, listed);
  EXPECT_EQ(down.pools[0].now.available, listed - 1);
  EXPECT_EQ(statuses.find(backend(11))->transitions, 1u);

  // Another reason is no change of state; that a check cannot be made is one of its own.
  statuses.set_health(backend(11), false, "timed out", at_second(3));
  EXPECT_TRUE(statuses.commit().backends.empty());
  statuses.set_health(backend(11), false, "unknown: no route", at_second(4), false);
  const auto unknown = statuses.commit();
  ASSERT_EQ(unknown.backends.size(), 1u);
  EXPECT_FALSE(unknown.backends[0].is_checked);
  EXPECT_EQ(statuses.find(backend(11))->transitions, 1u);
  EXPECT_EQ(statuses.find(backend(11))->since, at_second(2));

  // Several steps before commit() are one; what is taken back is none.
  statuses.set_health(backend(11), true, "connected", at_second(5));
  statuses.set_admin(backend(11), AdminState::kDraining, at_second(5));
  const auto drained = statuses.commit();
  ASSERT_EQ(drained.backends.size(), 1u);
  EXPECT_EQ(drained.backends[0].to, lb::BackendState::kDraining);
  EXPECT_TRUE(drained.pools.empty());
  statuses.set_admin(backend(12), AdminState::kMaintenance, at_second(6));
  EXPECT_EQ(statuses.pool("web").available, listed - 2);
  statuses.discard();
  EXPECT_EQ(statuses.pool("web").available, listed - 1);
  EXPECT_TRUE(statuses.commit().pools.empty());
}

TEST(BackendStatuses, CountsWhoIsAvailableAsOneByOneCountingDoes) {
  BackendStatuses statuses;
  const Model model = checked_model();
  test::follow(statuses, Model{}, model, at_second(1));
  statuses.commit();
  std::minstd_rand random(1);
  for (int step = 0; step < 2000; ++step) {
    const BackendKey key = backend(11 + static_cast<int>(random() % 3));
    switch (random() % 5) {
      case 0:
        statuses.set_health(key, random() % 2 == 0, "x", at_second(step));
        break;
      case 1:
        statuses.set_admin(key, static_cast<AdminState>(random() % 3), at_second(step));
        break;
      case 2:
        statuses.set_weight(key, random() % 2);
        break;
      case 3:
        statuses.discard();
        break;
      default:
        statuses.commit();
    }
    size_t available = 0;
    for (const auto& [other, status] : statuses.all()) {
      if (other.pool != "web" || status.weight() == 0) continue;
      available += effective_state(status).state == lb::BackendState::kActive ? 1 : 0;
    }
    ASSERT_EQ(statuses.pool("web").available, available);
  }
}

TEST(BackendStatuses, KnowsThePoolsThatAreThere) {
  BackendStatuses statuses;
  const Model first = checked_model();
  test::follow(statuses, Model{}, first, at_second(1));
  const auto started = statuses.commit();
  EXPECT_EQ(started.pools.size(), first.pools.size());
  EXPECT_EQ(started.pools[0].available_before, std::nullopt);

  Model fewer = first;
  fewer.pools.erase("web");
  test::follow(statuses, first, fewer, at_second(2));
  statuses.discard();
  EXPECT_GT(statuses.pool("web").listed, 0u);
  test::follow(statuses, first, fewer, at_second(2));
  EXPECT_TRUE(statuses.commit().pools.empty());
  EXPECT_EQ(statuses.pool("web"), PoolAvailability{});
}

}  // namespace
}  // namespace sluice::ctrl
