#include "ctrl/daemon/ui_document.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ctrl/observed/backend_statuses.h"

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;
using lb::BackendState;
using nlohmann::json;

BackendRow row(uint8_t number, BackendState state, const std::string& reason = "") {
  BackendRow made{};
  made.key = {"web", *IpAddress::parse("10.20.0." + std::to_string(number)), 8080};
  made.state = state;
  made.reason = reason;
  made.since = std::chrono::system_clock::time_point(1'700'000'000s);
  made.weight = 1;
  made.origin = "file";
  made.share = 0.25;
  made.totals.packets = 100u + number;
  made.totals.flows = 10u + number;
  made.totals.active_flows = number;
  return made;
}

std::vector<std::string> addresses(const json& pool) {
  std::vector<std::string> found;
  for (const json& backend : pool["backends"]) found.push_back(backend["address"].get<std::string>());
  return found;
}

TEST(UiDocument, ThoseThatServeLeastComeFirst) {
  const json pool = ui_pool(
      "web", {.listed = 5, .available = 2},
      {row(1, BackendState::kActive), row(2, BackendState::kDraining), row(3, BackendState::kMaintenance),
       row(4, BackendState::kDown), row(5, BackendState::kActive)},
      10);
  EXPECT_EQ(addresses(pool),
            (std::vector<std::string>{"10.20.0.4", "10.20.0.3", "10.20.0.2", "10.20.0.1", "10.20.0.5"}));
  EXPECT_EQ(pool["states"], (json{{"active", 2}, {"draining", 1}, {"maintenance", 1}, {"down", 1}}));
  EXPECT_EQ(pool["listed"], 5);
  EXPECT_EQ(pool["available"], 2);
  EXPECT_EQ(pool["omitted"], 0);
}

TEST(UiDocument, WhatIsLeftOutIsCounted) {
  std::vector<BackendRow> rows;
  for (uint8_t i = 1; i <= 100; ++i)
    rows.push_back(row(i, i == 70 ? BackendState::kDown : BackendState::kActive));
  const json pool = ui_pool("web", {.listed = 100, .available = 99}, rows, 3);
  EXPECT_EQ(addresses(pool), (std::vector<std::string>{"10.20.0.70", "10.20.0.1", "10.20.0.2"}));
  EXPECT_EQ(pool["omitted"], 97);
  EXPECT_EQ(pool["states"], (json{{"active", 99}, {"down", 1}}));
}

TEST(UiDocument, ABackendIsToldAsBackendListTellsIt) {
  const json pool = ui_pool("web", {}, {row(1, BackendState::kDown, "<img src=x>")}, 1);
  EXPECT_EQ(pool["backends"][0], (json{{"address", "10.20.0.1"},
                                       {"port", 8080},
                                       {"state", "down"},
                                       {"reason", "<img src=x>"},
                                       {"since", "2023-11-14T22:13:20.000Z"},
                                       {"weight", 1},
                                       {"origin", "file"},
                                       {"share", 0.25},
                                       {"active_flows", 1},
                                       {"packets", 101},
                                       {"flows", 11}}));
}

TEST(UiDocument, EveryDropReasonIsThereAndSaysSinceWhen) {
  std::array<uint64_t, dataplane::kDropReasons> dropped{};
  dropped[static_cast<size_t>(dataplane::DropReason::kNoService)] = 12;
  Spells spells(10s);
  spells.see("no_service", Spells::Time(1000s));
  spells.see("no_service", Spells::Time(1004500ms));
  const json drops = ui_drops(dropped, spells);
  ASSERT_EQ(drops.size(), dataplane::kDropReasons);
  size_t place = 0;
  for (const json& drop : drops) {
    EXPECT_EQ(drop["reason"].get<std::string>(), dataplane::kDropReasonNames[place++]);
    if (drop["reason"] == "no_service") {
      EXPECT_EQ(drop, (json{{"reason", "no_service"}, {"count", 12}, {"since", 1000.0}, {"last", 1004.5}}));
    } else {
      EXPECT_EQ(drop["count"], 0);
      EXPECT_TRUE(drop["since"].is_null() && drop["last"].is_null());
    }
  }
}

TEST(UiDocument, HistoryIsOldestFirst) {
  TrafficHistory history;
  const TrafficHistory::Time start(50s);
  history.observe({0, 0, 0}, start);
  history.observe({10, 5, 1}, start + 1s);
  history.observe({40, 25, 1}, start + 2s);
  EXPECT_EQ(ui_history(history, 77.5), (json{{"time", 77.5},
                                             {"interval", 1},
                                             {"received", {10.0, 30.0}},
                                             {"transmitted", {5.0, 20.0}},
                                             {"dropped", {1.0, 0.0}}}));
}

TEST(UiDocument, EveryDropReasonIsExplained) {
  const json words = ui_drop_words();
  ASSERT_EQ(words.size(), dataplane::kDropReasons);
  for (size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(words[i]["reason"].get<std::string>(), dataplane::kDropReasonNames[i]);
    EXPECT_FALSE(words[i]["meaning"].get<std::string>().empty());
    EXPECT_FALSE(words[i]["remedy"].get<std::string>().empty());
  }
}

}  // namespace
}  // namespace sluice::ctrl
