// Changes of the configuration that wait for a word.
#include "ctrl/intent/config_history.h"
#include "tests/unit/ctrl/running_gateway.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

TEST_F(GatewayTest, TakesBackWhatNobodyConfirms) {
  const json old = gateway_->configuration();
  const uint64_t before = gateway_->generation();
  json changed = config();
  changed["pools"][0]["backends"][0]["weight"] = 5;
  const auto applied = gateway_->apply(changed, {.author = "root", .confirm = std::chrono::milliseconds(1)});
  ASSERT_TRUE(applied && applied->confirm_by);
  EXPECT_TRUE(eventually([&] { return gateway_->generation() == before + 2; }));
  EXPECT_EQ(gateway_->configuration(), old);
  EXPECT_EQ(gateway_->history()[1].confirmation, Confirmation::kTakenBack);
  EXPECT_EQ(gateway_->history()[0].confirmation, Confirmation::kNotAsked);
  EXPECT_FALSE(gateway_->confirm(before + 1)) << "too late";
}

TEST_F(GatewayTest, WhatIsConfirmedHolds) {
  json changed = config();
  changed["pools"][0]["backends"][0]["weight"] = 5;
  const auto applied = gateway_->apply(changed, {.confirm = std::chrono::milliseconds(300)});
  ASSERT_TRUE(applied);
  EXPECT_EQ(gateway_->history()[0].confirmation, Confirmation::kPending);
  EXPECT_EQ(gateway_->confirm(applied->generation - 1).error().kind, Refusal::Kind::kNotFound);
  ASSERT_TRUE(gateway_->confirm(applied->generation));
  EXPECT_EQ(gateway_->history()[0].confirmation, Confirmation::kConfirmed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
  EXPECT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > end; }));
  EXPECT_EQ(gateway_->generation(), applied->generation);
}

TEST_F(GatewayTest, WhatNobodyConfirmedIsNothingToGoBackTo) {
  const json old = gateway_->configuration();
  json first = config(), second = config(), third = config();
  first["pools"][0]["backends"][0]["weight"] = 5;
  second["pools"][0]["backends"][0]["weight"] = 6;
  third["pools"][0]["backends"][0]["weight"] = 7;
  const auto one = gateway_->apply(first, {.confirm = std::chrono::hours(1)});
  ASSERT_TRUE(one);
  const auto two = gateway_->apply(second, {.confirm = std::chrono::milliseconds(1)});
  ASSERT_TRUE(two);
  EXPECT_EQ(gateway_->history()[1].confirmation, Confirmation::kSuperseded);
  EXPECT_TRUE(eventually([&] { return gateway_->generation() > two->generation; }));
  EXPECT_EQ(gateway_->configuration(), old) << "not what was never confirmed either";

  ASSERT_TRUE(gateway_->apply(first, {.confirm = std::chrono::hours(1)}));
  const auto plain = gateway_->apply(third, {});
  ASSERT_TRUE(plain);
  EXPECT_EQ(gateway_->history()[1].confirmation, Confirmation::kSuperseded);
  EXPECT_FALSE(plain->confirm_by) << "it holds by itself";
  EXPECT_EQ(gateway_->generation(), plain->generation);
}

TEST_F(GatewayTest, WhatChangesNothingWaitsForNobody) {
  const auto applied = gateway_->apply(config(), {.confirm = std::chrono::milliseconds(1)});
  ASSERT_TRUE(applied);
  EXPECT_FALSE(applied->confirm_by);
}

}  // namespace
}  // namespace sluice::ctrl
