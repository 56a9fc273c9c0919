#include "ctrl/backend_statuses.h"

#include <gtest/gtest.h>

#include "ctrl/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using std::chrono::seconds;

BackendStatuses::Time at(int second) {
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
  statuses.follow(Model{}, first, at(1));
  EXPECT_EQ(statuses.all().size(), 5u);
  EXPECT_EQ(statuses.find(backend(11))->since, at(1));

  auto config = to_json(first);
  config["pools"][2]["backends"].erase(0);  // of web: pools are in order of name
  config["pools"][2]["backends"].push_back({{"address", "198.51.100.14"}, {"port", 8080}});
  statuses.follow(first, *parse_config(config), at(2));
  EXPECT_EQ(statuses.find(backend(11)), nullptr);
  EXPECT_EQ(statuses.find(backend(14))->since, at(2));
  EXPECT_EQ(statuses.find(backend(12))->since, at(1));
}

TEST(BackendStatuses, APoolUnderAnotherNameKeepsWhatAnOperatorSet) {
  BackendStatuses statuses;
  const Model first = checked_model();
  statuses.follow(Model{}, first, at(1));
  statuses.set_admin(backend(11), AdminState::kMaintenance, at(2));
  statuses.set_health(backend(12), false, "connection refused", at(2));
  auto config = to_json(first);
  config["pools"][2]["name"] = "shelves";
  config["services"][1]["pool"] = "shelves";
  statuses.follow(first, *parse_config(config), at(3));
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
  statuses.follow(Model{}, checked_model(), at(1));
  EXPECT_TRUE(statuses.set_health(backend(11), false, "connection refused", at(2)));
  EXPECT_FALSE(statuses.set_health(backend(11), false, "timed out", at(3)));
  EXPECT_EQ(statuses.find(backend(11))->since, at(2));
  EXPECT_EQ(statuses.find(backend(11))->health_reason, "timed out");
  EXPECT_TRUE(statuses.set_admin(backend(11), AdminState::kDraining, at(4)));
  EXPECT_FALSE(statuses.set_admin(backend(11), AdminState::kDraining, at(5)));
  EXPECT_EQ(statuses.find(backend(11))->since, at(4));
  EXPECT_FALSE(statuses.set_admin(backend(99), AdminState::kDraining, at(5)));
}

TEST(BackendStatuses, ForgetsHealthWithItsCheck) {
  BackendStatuses statuses;
  const Model checked = checked_model();
  statuses.follow(Model{}, checked, at(1));
  statuses.set_health(backend(11), false, "connection refused", at(2));
  statuses.set_admin(backend(12), AdminState::kMaintenance, at(2));
  statuses.follow(checked, *parse_config(test::sample_config()), at(3));
  EXPECT_TRUE(statuses.find(backend(11))->healthy);
  EXPECT_EQ(statuses.find(backend(11))->health_reason, "");
  EXPECT_EQ(statuses.find(backend(12))->admin, AdminState::kMaintenance);
}

TEST(BackendStatuses, TakesChangesBack) {
  BackendStatuses statuses;
  const Model model = checked_model();
  statuses.follow(Model{}, model, at(1));
  statuses.commit();
  statuses.set_health(backend(11), false, "a", at(2));
  statuses.set_health(backend(11), false, "b", at(3));
  statuses.follow(model, Model{}, at(4));
  EXPECT_TRUE(statuses.all().empty());
  statuses.discard();
  EXPECT_EQ(statuses.all().size(), 5u);
  EXPECT_TRUE(statuses.find(backend(11))->healthy);
  EXPECT_EQ(statuses.find(backend(11))->since, at(1));
}

}  // namespace
}  // namespace sluice::ctrl
