// Routes and splits under a real balancer: which pool new flows go to, and that flows stay with their
// backends whatever becomes of routes and splits.
#include <gtest/gtest.h>

#include "tests/unit/ctrl/compiled_flows.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr unsigned kFlows = 300;

json config_with(const json& split, const json& routes = nullptr) {
  json config = test::sample_config();
  config["pools"].push_back({{"name", "canary"},
                             {"table_size", 503},
                             {"backends", {{{"address", "198.51.100.21"}, {"port", 8080}}}}});
  json& service = config["services"][0];
  if (split.is_string()) {
    service["pool"] = split;
  } else {
    service.erase("pool");
    service["split"] = split;
  }
  if (!routes.is_null()) service["routes"] = routes;
  return config;
}

json shares(unsigned web, unsigned canary) {
  return {{{"pool", "web"}, {"weight", web}}, {{"pool", "canary"}, {"weight", canary}}};
}

FlowKey key_of(unsigned i, const char* source = "192.0.2.9") {
  return {*IpAddress::parse(source),
          *IpAddress::parse("203.0.113.10"),
          Be16::from_host(static_cast<uint16_t>(20'000 + i)),
          Be16::from_host(80),
          IpProtocol::kTcp,
          {}};
}

class SteeredFlows : public testing::Test {
 protected:
  void take(const json& config) {
    ASSERT_NO_FATAL_FAILURE(flows_.apply(config));
    cut_ = flows_.losses();
    flows_.commit();
  }
  /// The backend of each flow, and in `outcomes_` whether it was known.
  std::vector<std::string> send_all(const char* source = "192.0.2.9") {
    std::vector<std::string> pools;
    known_ = 0;
    backends_.clear();
    for (unsigned i = 0; i < kFlows; ++i) {
      const auto decision = flows_.send(key_of(i, source));
      known_ += decision.outcome == lb::Outcome::kCached;
      pools.push_back(flows_.pool_of(decision.backend));
      backends_.push_back((*flows_.tables().backends)[decision.backend].address.to_string());
    }
    return pools;
  }

  CompiledFlows flows_;
  std::map<std::string, unsigned> cut_;
  std::vector<std::string> backends_;
  unsigned known_ = 0;
};

TEST_F(SteeredFlows, AnotherWeightMovesNoEstablishedFlow) {
  take(config_with(shares(90, 10)));
  const auto before = send_all();
  const auto canaries = std::ranges::count(before, "canary");
  EXPECT_GT(canaries, kFlows / 20);
  EXPECT_LT(canaries, kFlows / 5);
  take(config_with(shares(80, 20)));
  EXPECT_NEAR(flows_.disruption().at("web"), 0.1, 1e-12);
  EXPECT_TRUE(cut_.empty());
  EXPECT_EQ(send_all(), before);
  EXPECT_EQ(known_, kFlows);
  const auto anew = send_all("192.0.2.10");
  EXPECT_GT(std::ranges::count(anew, "canary"), kFlows / 8);
}

TEST_F(SteeredFlows, ARouteTakesNewFlowsOfItsSourcesAlone) {
  take(config_with("web"));
  const auto before = send_all();
  EXPECT_EQ(std::ranges::count(before, "web"), kFlows);
  const auto former = backends_;
  take(config_with("web", {{{"source", {"192.0.2.0/25"}}, {"pool", "canary"}}}));
  EXPECT_NEAR(flows_.disruption().at("web"), 1.0 / (1 << 25), 1e-15);
  EXPECT_EQ(send_all(), before);
  EXPECT_EQ(backends_, former);
  EXPECT_EQ(known_, kFlows);
  EXPECT_EQ(std::ranges::count(send_all("192.0.2.10"), "canary"), kFlows);
  EXPECT_EQ(std::ranges::count(send_all("192.0.2.200"), "web"), kFlows);
}

// As the end of a canary: it leaves the service, whose flows to it end by themselves.
TEST_F(SteeredFlows, WhatNoRuleLeadsToAnyMoreKeepsItsFlows) {
  take(config_with(shares(50, 50)));
  const auto before = send_all();
  for (const json& config : {config_with("web"), config_with({{{"pool", "web"}}}),
                             config_with("web", {{{"source", {"10.0.0.0/8"}}, {"pool", "mixed"}}})}) {
    json of_family = config;
    of_family["pools"][1]["backends"].erase(1);
    take(of_family);
    EXPECT_TRUE(cut_.empty());
    EXPECT_EQ(send_all(), before);
    EXPECT_EQ(known_, kFlows);
  }
}

TEST_F(SteeredFlows, ABackendThatIsGoneEndsThem) {
  take(config_with(shares(50, 50)));
  const auto before = send_all();
  const auto canaries = static_cast<unsigned>(std::ranges::count(before, "canary"));
  json config = config_with("web");
  config["pools"].erase(3);
  take(config);
  EXPECT_EQ(cut_, (std::map<std::string, unsigned>{{"web", canaries}}));
  EXPECT_EQ(std::ranges::count(send_all(), "web"), kFlows);
  EXPECT_EQ(known_, kFlows - canaries);
}

TEST_F(SteeredFlows, WithoutRoutesAndSplitAnotherPoolTakesTheFlows) {
  take(config_with("web"));
  send_all();
  take(config_with("canary"));
  EXPECT_EQ(cut_, (std::map<std::string, unsigned>{{"web", kFlows}}));
  EXPECT_EQ(flows_.disruption().at("web"), 1);
}

TEST_F(SteeredFlows, DisruptionIsOfFlowsWhoseBackendIsAnother) {
  take(config_with(shares(1, 1)));
  json twin = config_with(shares(1, 1));
  twin["pools"].push_back(twin["pools"][3]);  // the same backends under another name
  twin["pools"][4]["name"] = "other";
  twin["services"][0]["split"][1]["pool"] = "other";
  take(twin);
  EXPECT_EQ(flows_.disruption().at("web"), 0);
  json half = twin;
  half["services"][0]["routes"] = {{{"source", {"0.0.0.0/1"}}, {"pool", "web"}}};
  take(half);
  EXPECT_EQ(flows_.disruption().at("web"), 0.25);
  half["pools"][4]["backends"][0]["address"] = "198.51.100.22";
  take(half);
  EXPECT_EQ(flows_.disruption().at("web"), 0.25);
  take(half);
  EXPECT_TRUE(flows_.disruption().empty());
}

}  // namespace
}  // namespace sluice::ctrl
