// Changes of the configuration, and what workers are asked.
#include "ctrl/store/gateway.h"

#include <unistd.h>

#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_history.h"
#include "ctrl/store/event_hub.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/worker/worker_request.h"
#include "lb/pool_table.h"
#include "tests/unit/ctrl/running_gateway.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

TEST_F(GatewayTest, AppliesAndRollsBack) {
  const uint64_t before = gateway_->generation();
  const json old = gateway_->configuration();
  json changed = config();
  changed["pools"][0]["backends"][0]["weight"] = 3;
  const auto applied = gateway_->apply(changed, {.if_generation = before, .author = "root"});
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->generation, before + 1);
  EXPECT_EQ(applied->changed, std::vector<std::string>{"pool/web"});
  EXPECT_GT(applied->disruption.at("web"), 0);
  EXPECT_NE(gateway_->configuration(), old);
  EXPECT_EQ(gateway_->history().front().author, "root");
  EXPECT_EQ(gateway_->history().front().generation, before + 1);

  const auto back = gateway_->rollback(before, "root");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->generation, before + 2);
  EXPECT_EQ(gateway_->configuration(), old);
  EXPECT_EQ(gateway_->rollback(9999, "root").error().kind, Refusal::Kind::kNotFound);
}

TEST_F(GatewayTest, GoingBackToWhatIsMakesNoGeneration) {
  json changed = config();
  changed["pools"][0]["backends"][0]["weight"] = 5;
  const uint64_t before = gateway_->generation();
  ASSERT_TRUE(gateway_->apply(changed, {}));
  ASSERT_TRUE(gateway_->apply(config(), {}));
  ASSERT_TRUE(gateway_->rollback(before, "root"));
  EXPECT_EQ(gateway_->generation(), before + 2);
}

TEST_F(GatewayTest, TellsWhatItDoes) {
  std::vector<json> events;
  const auto number = gateway_->events().listen(EventSink::kSocket, kAllEvents, [&](const Event* event) {
    if (event) events.push_back(*event->object);
    return Notified::kTaken;
  });
  json changed = config();
  changed["pools"][0]["backends"][0]["weight"] = 5;
  const auto applied = gateway_->apply(changed, {.author = "root"});
  ASSERT_TRUE(applied);
  EXPECT_FALSE(gateway_->apply({{"pools", 1}}, {}));
  EXPECT_FALSE(gateway_->apply({{"pools", 2}}, {.dry_run = true})) << "of which nothing is told";
  gateway_->set_health(web(11), false, "connection refused");
  gateway_->set_health(web(11), false, "connection reset");  // is as it was
  gateway_->set_health(web(11), true, "connected");
  EXPECT_TRUE(eventually([&] { return events.size() >= 4; }));
  gateway_->events().end(*number);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0]["kind"], "config_applied");
  EXPECT_EQ(events[0]["generation"], applied->generation);
  EXPECT_EQ(events[1]["kind"], "config_refused");
  ASSERT_FALSE(events[1]["faults"].empty());
  EXPECT_TRUE(events[1]["faults"][0]["pointer"].is_string());
  EXPECT_EQ(events[2]["kind"], "backend_state");
  EXPECT_EQ(events[2]["pool"], "web");
  EXPECT_EQ(events[2]["address"], "198.51.100.11");
  EXPECT_EQ(events[2]["port"], 8080);
  EXPECT_EQ(events[2]["state"], "down");
  EXPECT_EQ(events[2]["reason"], "connection refused");
  EXPECT_EQ(events[3]["state"], "active");
}

TEST_F(GatewayTest, RefusesWholeAndChangesNothing) {
  const uint64_t before = gateway_->generation();
  const json old = gateway_->configuration();
  json bad = config();
  bad["services"][0]["pool"] = "nowhere";
  const auto refused = gateway_->apply(bad, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kInvalid);
  EXPECT_FALSE(gateway_->last_apply_succeeded());
  EXPECT_EQ(gateway_->apply(config(), {.if_generation = before + 7}).error().kind, Refusal::Kind::kConflict);
  EXPECT_EQ(gateway_->generation(), before);
  EXPECT_EQ(gateway_->configuration(), old);
  ASSERT_TRUE(gateway_->apply(config(), {}));
  EXPECT_TRUE(gateway_->last_apply_succeeded());
}

TEST_F(GatewayTest, SaysWhatNeedsARestart) {
  json other = config();
  other["ports"][1]["mtu"] = 9000;
  other["pools"][0]["backends"][0]["weight"] = 3;
  const auto refused = gateway_->apply(other, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kRestartNeeded);
  ASSERT_EQ(refused.error().faults.size(), 1u);
  EXPECT_EQ(refused.error().faults[0].pointer, "/ports/1/mtu");
  const auto dry = gateway_->apply(other, {.dry_run = true});
  ASSERT_FALSE(dry);  // as the apply
  EXPECT_EQ(dry.error().kind, Refusal::Kind::kRestartNeeded);
  const auto diff = gateway_->diff(other);
  ASSERT_TRUE(diff);
  ASSERT_EQ(diff->size(), 2u);
  EXPECT_FALSE((*diff)[0].needs_restart);
  EXPECT_TRUE((*diff)[1].needs_restart);
}

TEST_F(GatewayTest, ADryRunOnlySaysWhatWouldHappen) {
  const uint64_t before = gateway_->generation();
  json changed = config();
  changed["pools"][0]["backends"].erase(0);
  const auto dry = gateway_->apply(changed, {.dry_run = true});
  ASSERT_TRUE(dry);
  EXPECT_GT(dry->disruption.at("web"), 0.1);
  EXPECT_EQ(dry->generation, before);
  EXPECT_EQ(gateway_->backends("web")->size(), 3u);
}

TEST_F(GatewayTest, WhatChangesNothingMakesNoGeneration) {
  ASSERT_TRUE(gateway_->apply(config(), {.author = "first"}));
  const uint64_t before = gateway_->generation();
  const auto history = gateway_->history().size();
  for (int i = 0; i < 25; ++i) ASSERT_EQ(gateway_->apply(config(), {.author = "again"})->generation, before);
  const uint32_t weight = gateway_->backends("web")->front().weight;
  ASSERT_TRUE(gateway_->set_backend(gateway_->backends("web")->front().key, weight, std::nullopt));
  EXPECT_EQ(gateway_->generation(), before);
  EXPECT_EQ(gateway_->history().size(), history);
}

TEST_F(GatewayTest, TakesAllServicesAwayOnlyWhenTold) {
  ASSERT_TRUE(gateway_->apply(config(), {}));
  json emptied = config();
  emptied.erase("services");
  for (const bool dry_run : {true, false}) {
    const auto refused = gateway_->apply(emptied, {.dry_run = dry_run});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().faults.at(0).pointer, "/services");
  }
  EXPECT_EQ(gateway_->model()->services.size(), config()["services"].size());
  EXPECT_TRUE(gateway_->apply(emptied, {.allow_no_services = true}));
  EXPECT_TRUE(gateway_->model()->services.empty());
  EXPECT_TRUE(gateway_->apply(config(), {}));  // back, and nothing was taken away by that
}

TEST_F(GatewayTest, AnswersWithWarnings) {
  json odd = config();
  odd["pools"].push_back({{"name", "unserved"}, {"backends", json::array()}});
  const auto applied = gateway_->apply(odd, {.dry_run = true});
  ASSERT_TRUE(applied);
  EXPECT_TRUE(std::ranges::any_of(applied->warnings, [&](const Fault& warning) {
    return warning.pointer == "/pools/" + std::to_string(odd["pools"].size() - 1);
  }));
}

TEST_F(GatewayTest, RefusesPoolsThatThereIsNoMemoryFor) {
  const uint64_t before = gateway_->generation();
  json greedy = config();
  for (int i = 0; i < 50'000; ++i) {  // 26 MB each
    greedy["pools"].push_back({{"name", "p" + std::to_string(i)},
                               {"table_size", 6553621},
                               {"backends", {{{"address", "198.51.100.11"}}}}});
  }
  const auto refused = gateway_->apply(greedy, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kUnavailable);
  ASSERT_EQ(refused.error().faults.size(), 1u);
  EXPECT_EQ(refused.error().faults[0].pointer, "/pools");
  EXPECT_EQ(gateway_->generation(), before);
  EXPECT_FALSE(gateway_->last_apply_succeeded());
}

TEST_F(GatewayTest, AnswersFromTheWorkers) {
  FlowKey key{*IpAddress::parse("192.0.2.77"),
              *IpAddress::parse("203.0.113.10"),
              Be16::from_host(40000),
              Be16::from_host(80),
              IpProtocol::kTcp,
              {}};
  std::optional<Outcome<dataplane::Explanation>> answer;
  gateway_->explain(key, [&](auto result) { answer = std::move(result); });
  ASSERT_TRUE(eventually([&] { return answer.has_value(); }));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((**answer).verdict, dataplane::Explanation::Verdict::kPicked);
  const auto table = gateway_->table_of("web");
  ASSERT_TRUE(table);
  ASSERT_LT((**answer).slot, (*table)->slots().size());
  EXPECT_EQ((*table)->slots()[(**answer).slot], (**answer).backend);

  std::optional<Outcome<std::vector<dataplane::FlowSnapshot>>> flows;
  gateway_->list_flows("web", 10, [&](auto result) { flows = std::move(result); });
  ASSERT_TRUE(eventually([&] { return flows.has_value(); }));
  ASSERT_TRUE(*flows);
  EXPECT_TRUE((**flows).empty());  // to explain is to leave no trace
  gateway_->list_flows("nowhere", 10, [&](auto result) { flows = std::move(result); });
  EXPECT_EQ(flows->error().kind, Refusal::Kind::kNotFound);
}

TEST_F(GatewayTest, RefusesMoreQuestionsThanItKeeps) {
  size_t answered = 0, refused = 0;
  for (int i = 0; i < 200; ++i) {
    gateway_->explain({}, [&](auto result) { result ? ++answered : ++refused; });
  }
  EXPECT_EQ(refused, 136u);
  EXPECT_TRUE(eventually([&] { return answered == 64; }));
}

TEST_F(GatewayTest, KeepsTwentyGenerations) {
  json changed = config();
  for (int i = 0; i < 25; ++i) {
    changed["pools"][0]["backends"][0]["weight"] = 2 + i;
    ASSERT_TRUE(gateway_->apply(changed, {}));
  }
  EXPECT_EQ(gateway_->history().size(), Gateway::kHistory);
  ASSERT_TRUE(gateway_->apply(config(), {}));
}

}  // namespace
}  // namespace sluice::ctrl
