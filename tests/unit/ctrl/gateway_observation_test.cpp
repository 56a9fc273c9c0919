// What the Gateway makes of what operators, health checks and sources say while it runs.
#include <atomic>
#include <future>
#include <map>

#include "ctrl/intent/config_history.h"
#include "ctrl/resolve/id_registry.h"
#include "ctrl/store/change_log.h"
#include "dataplane/roles/dataplane.h"
#include "lb/pool_table.h"
#include "tests/unit/ctrl/running_gateway.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

TEST_F(GatewayTest, SetsBackendsAtRunTime) {
  const uint64_t before = gateway_->generation();
  const auto drained = gateway_->set_backend(web(11), std::nullopt, AdminState::kDraining);
  ASSERT_TRUE(drained);
  EXPECT_EQ(drained->generation, before);  // a state is not the configuration's
  EXPECT_EQ(row(11).state, lb::BackendState::kDraining);
  EXPECT_EQ(row(11).share, 0);
  EXPECT_NEAR(row(12).share, 2.0 / 3, 0.01);
  const auto weighed = gateway_->set_backend(web(12), 1, std::nullopt);
  ASSERT_TRUE(weighed);
  EXPECT_EQ(weighed->generation, before);  // neither is a weight that is set at run time
  EXPECT_EQ(weighed->changed, std::vector<std::string>{"pool/web"});
  EXPECT_EQ(row(12).weight, 1u);
  EXPECT_NEAR(row(12).share, 0.5, 0.01);
  EXPECT_EQ(gateway_->model()->pools.at("web")->backends[1].weight, 2u);
  ASSERT_TRUE(gateway_->apply(config(), {.dry_run = true}));
  EXPECT_EQ(row(12).weight, 1u);
  const auto applied = gateway_->apply(config(), {});
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->generation, before);
  EXPECT_EQ(row(11).state, lb::BackendState::kDraining);  // what an operator set stays with the backend
  EXPECT_EQ(row(12).weight, 2u);                          // until a configuration with another one is applied
  ASSERT_TRUE(gateway_->set_backend(web(11), std::nullopt, AdminState::kActive));
  EXPECT_EQ(gateway_->set_backend(web(99), 1, std::nullopt).error().kind, Refusal::Kind::kNotFound);
  EXPECT_EQ(gateway_->set_backend({"nowhere", {}, 1}, 1, std::nullopt).error().kind,
            Refusal::Kind::kNotFound);
  EXPECT_EQ(gateway_->set_backend(web(11), 65536, std::nullopt).error().kind, Refusal::Kind::kInvalid);
}

TEST_F(GatewayTest, HealthIsNoChangeOfTheConfiguration) {
  int changes = 0;
  gateway_->on_change([&] { ++changes; });
  const uint64_t before = gateway_->generation();
  gateway_->set_health({{web(11), false, "connection refused"}, {web(12), false, "timed out"}});
  EXPECT_EQ(row(11).state, lb::BackendState::kDown);
  EXPECT_EQ(row(12).reason, "timed out");
  EXPECT_EQ(row(13).share, 1);
  gateway_->set_health(web(11), false, "connection refused");
  gateway_->set_health({{web(11), true, "connected"}, {web(12), true, "connected"}, {web(99), true, ""}});
  EXPECT_EQ(changes, 2);  // once for what came together
  gateway_->on_change(nullptr);
  EXPECT_EQ(gateway_->generation(), before);
  EXPECT_TRUE(gateway_->apply(config(), {.if_generation = before}));
}

/// Whoever is told of a publication holds what compilations hold.
TEST_F(GatewayTest, BackendsAreListedWhileAChangeKeepsOthersWaiting) {
  std::vector<BackendRow> rows;
  gateway_->on_change([&] {
    auto listed = std::async(std::launch::async, [] { return *gateway_->backends(std::nullopt); });
    ASSERT_EQ(listed.wait_for(std::chrono::seconds(30)), std::future_status::ready);
    rows = listed.get();
  });
  ASSERT_TRUE(gateway_->set_backend(web(11), 7, std::nullopt));
  gateway_->on_change(nullptr);
  const auto listed = std::ranges::find(rows, web(11), &BackendRow::key);
  ASSERT_NE(listed, rows.end());
  EXPECT_EQ(listed->weight, 7u);
  EXPECT_NEAR(listed->share, 0.7, 0.01);
  ASSERT_TRUE(gateway_->flush_flows(web(11)));  // gives it another number
  EXPECT_NEAR(row(11).share, 0.7, 0.01);
  EXPECT_EQ(gateway_->backends("nowhere").error().kind, Refusal::Kind::kNotFound);
}

TEST_F(GatewayTest, CollectsTheNumbersOfWhatIsGone) {
  const auto old = gateway_->ids().find_backend(web(11));
  ASSERT_TRUE(gateway_->flush_flows(web(11)));
  EXPECT_NE(gateway_->ids().find_backend(web(11)), old);
  EXPECT_TRUE(gateway_->ids().has_retired());
  EXPECT_TRUE(eventually([] { return !gateway_->ids().has_retired(); }));
  EXPECT_EQ(gateway_->flush_flows(web(99)).error().kind, Refusal::Kind::kNotFound);
}

TEST_F(GatewayTest, SharesAddUpWhateverTheWeights) {
  json weighed = config();
  for (int i = 0; i < 3; ++i) weighed["pools"][0]["backends"][i]["weight"] = 7 * i + 1;
  ASSERT_TRUE(gateway_->apply(weighed, {}));
  const auto table = gateway_->table_of("web");
  ASSERT_TRUE(table);
  std::map<lb::BackendId, double> counted;
  for (const lb::BackendId id : (*table)->slots()) counted[id] += 1.0 / double((*table)->slots().size());
  double sum = 0;
  for (const int number : {11, 12, 13}) {
    EXPECT_NEAR(row(number).share, counted[*gateway_->ids().find_backend(web(number))], 1e-9);
    sum += row(number).share;
  }
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST_F(GatewayTest, ManyThreadsChangeAndAskAtOnce) {
  std::atomic<bool> ends = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!ends) {
        EXPECT_EQ(gateway_->backends("web")->size(), 3u);
        EXPECT_FALSE(gateway_->configuration().empty());
        gateway_->maintain();
      }
    });
  }
  std::thread health([&] {
    for (int i = 0; i < 20; ++i) gateway_->set_health(web(11), i % 2 != 0, "checked");
  });
  std::thread people([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(gateway_->set_backend(web(12), 1 + i % 2, std::nullopt));
  });
  std::atomic<int> ended = 0;
  std::thread waiter([&] {
    health.join();
    people.join();
    ended = 1;
  });
  EXPECT_TRUE(eventually([&] { return ended == 1; }));
  waiter.join();
  ends = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(row(12).weight, 2u);
  EXPECT_EQ(row(11).state, lb::BackendState::kActive);
}

TEST_F(GatewayTest, PublishesAtMostOnceInTenMilliseconds) {
  const auto began = std::chrono::steady_clock::now();
  int published = 0;
  gateway_->on_change([&] { ++published; });
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(gateway_->set_backend(web(12), 1 + i % 2, std::nullopt));
  gateway_->on_change(nullptr);
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(published, 10);
  EXPECT_GE(took, 9 * Gateway::kBetweenPublications);  // later is no fault: machines are busy
}

TEST_F(GatewayTest, WhatASourceSaysIsNoChangeOfTheConfiguration) {
  ASSERT_TRUE(gateway_->apply(discovering(), {}));
  const uint64_t before = gateway_->generation();
  const json configuration = gateway_->configuration();
  const size_t history = gateway_->history().size();
  gateway_->observe({delivered({21, 22})});
  EXPECT_EQ(listed(), (std::vector{web(11), web(12), web(13), web(21), web(22)}));
  EXPECT_EQ(row(21).origin, "files");
  EXPECT_EQ(row(11).origin, "file");
  EXPECT_NEAR(row(21).share, 1.0 / 6, 0.01);
  ASSERT_TRUE(gateway_->set_backend(web(21), 3, std::nullopt));
  EXPECT_EQ(row(21).weight, 3u);
  EXPECT_EQ(gateway_->generation(), before);
  EXPECT_EQ(gateway_->configuration(), configuration);
  EXPECT_EQ(gateway_->history().size(), history);
  ASSERT_TRUE(gateway_->apply(discovering(), {}));
  EXPECT_EQ(row(21).weight, 3u) << "the configuration says nothing of it";
  ASSERT_TRUE(gateway_->apply(config(), {}));
  EXPECT_EQ(listed(), (std::vector{web(11), web(12), web(13)}));
}

TEST_F(GatewayTest, TheSameAgainPublishesNothing) {
  ASSERT_TRUE(gateway_->apply(discovering(), {}));
  gateway_->observe({delivered({21, 22})});
  int published = 0;
  gateway_->on_change([&] { ++published; });
  gateway_->observe({delivered({22, 21})});
  SourceWord confirmed = delivered({});
  confirmed.kind = SourceWord::Kind::kConfirmed;
  gateway_->observe({std::move(confirmed)});
  EXPECT_EQ(published, 0);
  gateway_->observe({delivered({22}), delivered({22, 23}), delivered({23})});
  EXPECT_EQ(published, 1) << "what comes together is published together";
  gateway_->on_change(nullptr);
  ASSERT_TRUE(gateway_->apply(config(), {}));
}

TEST_F(GatewayTest, WhoIsWithdrawnIsForgottenWithTheLastFlow) {
  ASSERT_TRUE(gateway_->apply(discovering(), {}));
  gateway_->observe({delivered({21, 22})});
  const auto number = gateway_->ids().find_backend(web(21));
  std::optional<Outcome<QuietAnswer>> answer;
  const auto ask = [&](bool until_gone, std::chrono::milliseconds timeout, int of) {
    answer.reset();
    gateway_->await_quiet(web(of), until_gone, timeout, [&](auto result) { answer = std::move(result); });
  };
  ask(false, std::chrono::milliseconds(0), 21);
  ASSERT_TRUE(answer && *answer);
  EXPECT_FALSE((**answer).quiet);
  ask(true, std::chrono::minutes(1), 21);
  EXPECT_FALSE(answer);
  gateway_->observe({delivered({22})});
  EXPECT_EQ(row(21).state, lb::BackendState::kDraining);
  EXPECT_EQ(row(21).reason, "withdrawn by its source");
  EXPECT_EQ(gateway_->ids().find_backend(web(21)), number) << "flows stay with a number";
  EXPECT_TRUE(eventually([&] {
    gateway_->answer_quiet();
    return answer.has_value();
  }));
  ASSERT_TRUE(*answer);
  EXPECT_TRUE((**answer).quiet && (**answer).gone);
  EXPECT_TRUE(eventually([] {
    gateway_->mind_sources();
    return listed().size() == 4;
  }));
  EXPECT_TRUE(eventually([&] {  // it was there once
    ask(true, std::chrono::milliseconds(0), 21);
    return answer && *answer && (**answer).gone;
  }));
  ask(true, std::chrono::milliseconds(0), 99);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().kind, Refusal::Kind::kNotFound);
  ASSERT_TRUE(gateway_->apply(config(), {}));
}

TEST_F(GatewayTest, FollowsEachChange) {
  ASSERT_TRUE(gateway_->apply(discovering(), {}));
  gateway_->observe({delivered({21})});
  gateway_->set_health(web(11), false, "connection refused");
  ASSERT_TRUE(gateway_->set_backend(web(12), 9, std::nullopt));
  EXPECT_TRUE(eventually([] { return gateway_->changes(1, std::nullopt).at(0).everywhere.has_value(); }));
  const auto changes = gateway_->changes(4, std::nullopt);
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].object, "backend/web/198.51.100.12:8080");
  EXPECT_EQ(changes[0].cause, ChangeCause::kOperator);
  EXPECT_EQ(changes[1].object, "backend/web/198.51.100.11:8080");
  EXPECT_EQ(changes[1].cause, ChangeCause::kHealth);
  EXPECT_EQ(changes[2].object, "pool/web");
  EXPECT_EQ(changes[2].cause, ChangeCause::kSource);
  EXPECT_EQ(changes[3].object, "config/" + std::to_string(gateway_->generation()));
  gateway_->set_health(web(11), true, "connected");
  ASSERT_TRUE(gateway_->apply(config(), {}));
}

}  // namespace
}  // namespace sluice::ctrl
