#include "ctrl/resolve/resolve.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/panic.h"
#include "lb/maglev.h"
#include "tests/unit/ctrl/observed_world.h"
#include "tests/unit/ctrl/sample_config.h"
#include "tests/unit/ctrl/web_backend.h"

namespace sluice::ctrl {
namespace {

using lb::BackendState;

bool is_same(const EffectivePool& a, const EffectivePool& b) {
  return a.intent->name == b.intent->name && a.backends == b.backends && a.table_size == b.table_size &&
         a.use == b.use;
}

std::shared_ptr<const Model> sample_with_fail_open(bool fail_open) {
  auto config = test::sample_config();
  config["pools"][0]["fail_open"] = fail_open;
  config["pools"][0]["health"] = {{"type", "tcp"}};
  return std::make_shared<const Model>(*parse_config(config));
}

/// Step by step, sharing all that was not touched, it comes to what resolving everything at once comes to.
TEST(Resolve, WhatWasNotTouchedNeedNoLook) {
  EXPECT_TRUE(rc::check([] {
    const auto model = sample_with_fail_open(*rc::gen::arbitrary<bool>());
    std::map<BackendKey, BackendStatus> statuses;
    auto now = test::effective(model, statuses);
    for (int step = 0; step < 5; ++step) {
      std::set<std::string> touched;
      for (const int number : {11, 12, 13}) {
        if (!*rc::gen::arbitrary<bool>()) continue;
        BackendStatus& status = statuses[web(number)];
        status.healthy = *rc::gen::arbitrary<bool>();
        status.admin =
            *rc::gen::element(AdminState::kActive, AdminState::kDraining, AdminState::kMaintenance);
        status.offer = *rc::gen::element(Offer::kTakesFlows, Offer::kDrains, Offer::kWithdrawn);
        status.set_weight = *rc::gen::element<std::optional<uint32_t>>(std::nullopt, 0, 7);
        touched.insert("web");
      }
      const auto next = test::effective(model, statuses, touched, now.get());
      const auto afresh = test::effective(model, statuses);
      for (const auto& [name, pool] : afresh->pools) RC_ASSERT(is_same(*pool, *next->pools.at(name)));
      for (const auto& [name, pool] : next->pools) {
        if (!touched.contains(name)) RC_ASSERT(pool == now->pools.at(name));
      }
      now = next;
    }
  }));
}

/// By interface.md, section 5: who takes new flows, and who keeps those that it has.
TEST(Resolve, SaysWhoTakesFlowsAsTheRulesDo) {
  EXPECT_TRUE(rc::check([] {
    const bool fail_open = *rc::gen::arbitrary<bool>();
    const auto model = sample_with_fail_open(fail_open);
    std::map<BackendKey, BackendStatus> statuses;
    for (const int number : {11, 12, 13}) {
      BackendStatus& status = statuses[web(number)];
      status.healthy = *rc::gen::arbitrary<bool>();
      status.admin = *rc::gen::element(AdminState::kActive, AdminState::kDraining, AdminState::kMaintenance);
      status.offer = *rc::gen::element(Offer::kTakesFlows, Offer::kDrains);
    }
    size_t wanted = 0, up = 0;
    for (const auto& [key, status] : statuses) {
      const bool is_wanted = status.admin == AdminState::kActive && status.offer == Offer::kTakesFlows;
      wanted += is_wanted;
      up += is_wanted && status.healthy;
    }
    const auto effective = test::effective(model, statuses);
    for (const EffectiveBackend& backend : effective->pools.at("web")->backends) {
      const BackendStatus& status = statuses.at({"web", backend.at.address, backend.at.port});
      const bool is_wanted = status.admin == AdminState::kActive && status.offer == Offer::kTakesFlows;
      const bool all_down = wanted > 0 && up == 0;
      RC_ASSERT(backend.takes_flows() == (is_wanted && (status.healthy || (fail_open && all_down))));
      const bool keeps = status.admin != AdminState::kMaintenance &&
                         (status.healthy || (fail_open && all_down && is_wanted));
      RC_ASSERT(backend.keeps_flows == keeps);
    }
  }));
}

TEST(Resolve, BelowItsHealthyShareAPoolBalancesOverAllThatNobodyHasTakenOut) {
  for (const double panic : {0.0, 0.3, 0.5, 0.7, 1.0}) {
    EXPECT_TRUE(rc::check([panic] {
      auto config = test::sample_config();
      config["pools"][0]["panic"] = panic;
      config["pools"][0]["health"] = {{"type", "tcp"}};
      config["pools"][0]["backends"] = nlohmann::json::array();
      for (int number = 11; number < 21; ++number) {
        config["pools"][0]["backends"].push_back(
            {{"address", "198.51.100." + std::to_string(number)}, {"port", 8080}});
      }
      const auto model = std::make_shared<const Model>(*parse_config(config));
      std::map<BackendKey, BackendStatus> statuses;
      size_t counted = 0, healthy = 0;
      for (int number = 11; number < 21; ++number) {
        BackendStatus& status = statuses[web(number)];
        status.healthy = *rc::gen::arbitrary<bool>();
        status.ejected = *rc::gen::inRange(0, 4) == 0 ? "ejected: for a test" : "";
        status.admin = *rc::gen::inRange(0, 4) == 0 ? AdminState::kMaintenance : AdminState::kActive;
        counted += status.admin == AdminState::kActive;
        healthy += status.admin == AdminState::kActive && status.healthy && status.ejected.empty();
      }
      // In whole numbers: the shares have one decimal.
      const bool in_panic = counted > 0 && healthy * 10 < static_cast<size_t>(panic * 10 + 0.5) * counted;
      const auto effective = test::effective(model, statuses);
      for (const EffectiveBackend& backend : effective->pools.at("web")->backends) {
        const BackendStatus& status = statuses.at({"web", backend.at.address, backend.at.port});
        const bool is_well = status.healthy && status.ejected.empty();
        RC_ASSERT(backend.takes_flows() == (status.admin == AdminState::kActive && (is_well || in_panic)));
      }
      const Panic panic_now = panic_of(*effective->pools.at("web"));
      RC_ASSERT(panic_now.down == (in_panic ? counted - healthy : 0));
      RC_ASSERT(panic_now.healthy == healthy);
    }));
  }
}

TEST(Resolve, TheTableOfAPoolWithASourceNeverShrinks) {
  auto config = test::sample_config();
  config["sources"] = {{{"name", "files"}, {"type", "file"}}};
  config["pools"][0].erase("table_size");
  config["pools"][0]["discover"] = {{"source", "files"}, {"path", "/targets.json"}};
  const auto model = std::make_shared<const Model>(*parse_config(config));
  const PoolModel& pool = *model->pools.at("web");
  const std::map<BackendKey, BackendStatus> statuses;
  const auto with = [&](size_t discovered, const Effective* before) {
    std::vector<Discovered> entries;
    for (size_t i = 0; i < discovered; ++i) {
      const std::string address = "203.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
      entries.push_back({{*IpAddress::parse(address), 80}});
    }
    MemberLists lists = test::file_members(*model);
    lists.set("web", std::make_shared<const MemberList>(unite(pool.backends, entries, {}, nullptr).list));
    return resolve(model, {lists, statuses}, {}, before);
  };
  const Effective few = with(0, nullptr);
  EXPECT_EQ(few.pools.at("web")->table_size, 65537u);
  const Effective many = with(1000, &few);
  EXPECT_EQ(many.pools.at("web")->table_size, lb::maglev_table_size(1003));
  EXPECT_EQ(with(0, &many).pools.at("web")->table_size, lb::maglev_table_size(1003));
}

}  // namespace
}  // namespace sluice::ctrl
