// The Gateway on a real data plane without a wire. EAL starts once in a process, so this is an executable
// of its own, and its tests share one Gateway that they leave as they found it.
#include "ctrl/store/gateway.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

BackendKey web(int number) {
  return {"web", *IpAddress::parse("198.51.100." + std::to_string(number)), 8080};
}

unsigned first_allowed_cpu() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  return cpu;
}

json config() {
  json config = test::sample_config();
  config["gateway"]["workers"] = {first_allowed_cpu()};
  config["gateway"]["eal"] = {"--no-huge", "-m", "256"};
  config["gateway"]["flow_table_entries"] = 1024;
  config["pools"][0]["health"] = {{"type", "tcp"}};
  return config;
}

class GatewayTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = Gateway::start(*parse_config(config()), "file");
    ASSERT_TRUE(started) << started.error().message;
    gateway_ = std::move(*started);
  }
  static void TearDownTestSuite() { gateway_.reset(); }
  void SetUp() override { ASSERT_TRUE(gateway_); }
  void TearDown() override { gateway_->apply(config(), {}); }

  static bool eventually(const std::function<bool()>& is_so) {
    for (int waited = 0; waited < 20'000; ++waited) {
      gateway_->tick();
      gateway_->maintain();
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  static BackendRow row(int number) {
    const auto rows = gateway_->backends("web");
    for (const BackendRow& row : *rows) {
      if (row.key == web(number)) return row;
    }
    ADD_FAILURE();
    return {};
  }

  static std::unique_ptr<Gateway> gateway_;
};
std::unique_ptr<Gateway> GatewayTest::gateway_;

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
  ASSERT_TRUE(gateway_->set_backend(gateway_->backends("web")->front().key, weight, std::nullopt, "tester"));
  EXPECT_EQ(gateway_->generation(), before);
  EXPECT_EQ(gateway_->history().size(), history);
}

TEST_F(GatewayTest, RemembersWhoSetAWeight) {
  ASSERT_TRUE(gateway_->apply(config(), {}));
  const uint32_t weight = gateway_->backends("web")->front().weight;
  ASSERT_TRUE(
      gateway_->set_backend(gateway_->backends("web")->front().key, weight + 1, std::nullopt, "alice"));
  EXPECT_EQ(gateway_->history().front().author, "alice");
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

TEST_F(GatewayTest, SetsBackendsAtRunTime) {
  const uint64_t before = gateway_->generation();
  const auto drained = gateway_->set_backend(web(11), std::nullopt, AdminState::kDraining, "tester");
  ASSERT_TRUE(drained);
  EXPECT_EQ(drained->generation, before);  // a state is not the configuration's
  EXPECT_EQ(row(11).state, lb::BackendState::kDraining);
  EXPECT_EQ(row(11).share, 0);
  EXPECT_NEAR(row(12).share, 2.0 / 3, 0.01);
  const auto weighed = gateway_->set_backend(web(12), 1, std::nullopt, "tester");
  ASSERT_TRUE(weighed);
  EXPECT_EQ(weighed->generation, before + 1);
  EXPECT_EQ(gateway_->history().front().generation, before + 1);
  EXPECT_EQ(gateway_->model()->pools.at("web")->backends[1].weight, 1u);
  ASSERT_TRUE(gateway_->apply(config(), {}));
  EXPECT_EQ(row(11).state, lb::BackendState::kDraining);  // what an operator set stays with the backend
  EXPECT_EQ(row(12).weight, 2u);                          // a weight is the configuration's
  ASSERT_TRUE(gateway_->set_backend(web(11), std::nullopt, AdminState::kActive, "tester"));
  EXPECT_EQ(gateway_->set_backend(web(99), 1, std::nullopt, "tester").error().kind, Refusal::Kind::kNotFound);
  EXPECT_EQ(gateway_->set_backend({"nowhere", {}, 1}, 1, std::nullopt, "tester").error().kind,
            Refusal::Kind::kNotFound);
  EXPECT_EQ(gateway_->set_backend(web(11), 65536, std::nullopt, "tester").error().kind,
            Refusal::Kind::kInvalid);
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

TEST_F(GatewayTest, CollectsTheNumbersOfWhatIsGone) {
  const auto old = gateway_->ids().find_backend(web(11));
  ASSERT_TRUE(gateway_->flush_flows(web(11)));
  EXPECT_NE(gateway_->ids().find_backend(web(11)), old);
  EXPECT_TRUE(gateway_->ids().has_retired());
  EXPECT_TRUE(eventually([] { return !gateway_->ids().has_retired(); }));
  EXPECT_EQ(gateway_->flush_flows(web(99)).error().kind, Refusal::Kind::kNotFound);
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
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(gateway_->set_backend(web(12), 1 + i % 2, std::nullopt, "root"));
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
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(gateway_->set_backend(web(12), 1 + i % 2, std::nullopt, "root"));
  gateway_->on_change(nullptr);
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(published, 10);
  EXPECT_GE(took, 9 * Gateway::kBetweenPublications);  // later is no fault: machines are busy
}

TEST_F(GatewayTest, KeepsTwentyGenerations) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(gateway_->apply(config(), {}));
  EXPECT_EQ(gateway_->history().size(), Gateway::kHistory);
}

}  // namespace
}  // namespace sluice::ctrl
