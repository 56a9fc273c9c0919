// The Gateway on a real data plane without a wire. EAL starts once in a process, so this is an executable
// of its own, and its tests share one Gateway that they leave as they found it.
#include "ctrl/store/gateway.h"
#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_history.h"
#include "ctrl/observed/backend_statuses.h"
#include "ctrl/observed/members.h"
#include "ctrl/observed/source_word.h"
#include "ctrl/resolve/id_registry.h"
#include "ctrl/store/change_log.h"
#include "ctrl/store/event_hub.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "ctrl/intent/config_schema.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/worker/worker_request.h"
#include "lb/pool_table.h"
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

  /// Pool `web` with a source, and what that says.
  static json discovering() {
    json discovering = config();
    discovering["sources"] = {{{"name", "files"}, {"type", "file"}}};
    discovering["pools"][0]["discover"] = {{"source", "files"}, {"path", "/targets.json"}};
    return discovering;
  }
  static SourceWord delivered(const std::vector<int>& numbers) {
    SourceWord word{.pool = "web", .kind = SourceWord::Kind::kDelivered, .seen = Moment::now()};
    word.asked = std::make_shared<const DiscoverModel>(*gateway_->model()->pools.at("web")->discover);
    for (const int number : numbers) word.entries.push_back({{web(number).address, web(number).port}});
    std::ranges::sort(word.entries, {}, &Discovered::at);
    return word;
  }
  static std::vector<BackendKey> listed() {
    std::vector<BackendKey> keys;
    const auto rows = gateway_->backends("web");
    for (const BackendRow& row : *rows) keys.push_back(row.key);
    return keys;
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
