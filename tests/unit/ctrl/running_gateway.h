// A Gateway on a real data plane without a wire, shared by the tests of gateway_test, which leave it as they
// found it: EAL starts once in a process.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "ctrl/intent/config_schema.h"
#include "ctrl/observed/backend_statuses.h"
#include "ctrl/observed/members.h"
#include "ctrl/observed/source_word.h"
#include "ctrl/store/change_log.h"
#include "ctrl/store/gateway.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/web_backend.h"

namespace sluice::ctrl {

inline unsigned first_allowed_cpu() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  return cpu;
}

inline nlohmann::json config() {
  nlohmann::json config = test::sample_config();
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
  /// Workers are no longer at what the test before has left, of which backends have other numbers.
  void SetUp() override {
    ASSERT_TRUE(gateway_);
    ASSERT_TRUE(eventually([] {
      const auto newest = gateway_->changes(1, std::nullopt);
      return newest.empty() || newest[0].everywhere;
    }));
  }
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
  static nlohmann::json discovering() {
    nlohmann::json discovering = config();
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

  inline static std::unique_ptr<Gateway> gateway_;
};

}  // namespace sluice::ctrl
