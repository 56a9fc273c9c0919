// Routes and splits of the configuration: what is refused and where, what comes back, and what of pools they
// use.
#include "ctrl/intent/config_steering.h"

#include <gtest/gtest.h>

#include <functional>

#include "ctrl/intent/backend_rules.h"
#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/config_warnings.h"
#include "ctrl/intent/service_paths.h"
#include "ctrl/intent/service_pools.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// The sample with a second pool for the service `web`: 90 to 10, and a route.
json canary() {
  json config = test::sample_config();
  config["pools"].push_back({{"name", "canary"},
                             {"table_size", 503},
                             {"backends", {{{"address", "198.51.100.21"}, {"port", 8080}}}}});
  json& service = config["services"][0];
  service.erase("pool");
  service["split"] = {{{"pool", "web"}, {"weight", 90}}, {{"pool", "canary"}, {"weight", 10}}};
  service["routes"] = {{{"source", {"198.18.0.0/24", "2001:db8:77::/48"}}, {"pool", "canary"}}};
  return config;
}

struct SteeringCase {
  const char* name;
  std::function<void(json&)> bend;
  const char* fault;  ///< the one there is
};

class RefusedSteering : public testing::TestWithParam<SteeringCase> {};

TEST_P(RefusedSteering, HasOneFaultAtItsPlace) {
  json config = canary();
  GetParam().bend(config);
  const auto model = parse_config(config);
  ASSERT_FALSE(model);
  ASSERT_EQ(model.error().faults.size(), 1u);
  const Fault& fault = model.error().faults[0];
  EXPECT_EQ(fault.pointer + ": " + fault.message, GetParam().fault);
}

INSTANTIATE_TEST_SUITE_P(
    Config, RefusedSteering,
    testing::Values(
        SteeringCase{"NeitherPoolNorSplit", [](json& c) { value_at(c, "/services/0").erase("split"); },
                     "/services/0/pool: \"pool\" is missing, or \"split\" instead"},
        SteeringCase{"PoolAndSplit", [](json& c) { value_at(c, "/services/0/pool") = "web"; },
                     "/services/0/split: give either \"pool\" or \"split\", not both"},
        SteeringCase{"AllWeightsZero",
                     [](json& c) {
                       value_at(c, "/services/0/split/0/weight") = 0;
                       value_at(c, "/services/0/split/1/weight") = 0;
                     },
                     "/services/0/split: all weights are 0: there is no pool for new flows"},
        SteeringCase{"Dangling", [](json& c) { value_at(c, "/services/0/split/1/pool") = "canery"; },
                     "/services/0/split/1/pool: there is no pool named \"canery\""},
        SteeringCase{"Twice", [](json& c) { value_at(c, "/services/0/split/1/pool") = "web"; },
                     "/services/0/split/1/pool: pool \"web\" is in the split twice"},
        SteeringCase{"Weight", [](json& c) { value_at(c, "/services/0/split/1/weight") = 65536; },
                     "/services/0/split/1/weight: must be 0 to 65535, not 65536"},
        SteeringCase{"EmptySplit", [](json& c) { value_at(c, "/services/0/split") = json::array(); },
                     "/services/0/split: must have at least 1 element"},
        SteeringCase{"RouteSource",
                     [](json& c) { value_at(c, "/services/0/routes/0/source/1") = "2001:db8:77::1/48"; },
                     "/services/0/routes/0/source/1: \"2001:db8:77::1/48\" has host bits set; the network is "
                     "2001:db8:77::/48"},
        SteeringCase{"RouteWithoutPool", [](json& c) { value_at(c, "/services/0/routes/0").erase("pool"); },
                     "/services/0/routes/0/pool: \"pool\" is missing, or \"split\" instead"},
        SteeringCase{"RouteWithoutSource",
                     [](json& c) { value_at(c, "/services/0/routes/0").erase("source"); },
                     "/services/0/routes/0/source: \"source\" is missing"},
        SteeringCase{"RouteDangling", [](json& c) { value_at(c, "/services/0/routes/0/pool") = "x"; },
                     "/services/0/routes/0/pool: there is no pool named \"x\""},
        SteeringCase{"RouteWeightsZero",
                     [](json& c) {
                       value_at(c, "/services/0/routes/0").erase("pool");
                       value_at(c, "/services/0/routes/0/split") = {{{"pool", "web"}, {"weight", 0}}};
                     },
                     "/services/0/routes/0/split: all weights are 0: there is no pool for new flows"},
        SteeringCase{
            "MirrorBeyondNat",
            [](json& c) {
              value_at(c, "/services/1/mirror") = {{"pool", "web"}};
            },
            "/services/1/mirror: what the mirror answers would reach clients: with ipip answers do not come "
            "by "
            "the gateway"},
        SteeringCase{
            "MirrorOfItself",
            [](json& c) {
              value_at(c, "/services/0/mirror") = {{"pool", "canary"}};
            },
            "/services/0/mirror/pool: is a pool of the service itself, whose backends would get flows twice"},
        SteeringCase{"MirrorFraction",
                     [](json& c) {
                       value_at(c, "/services/0/mirror") = {{"pool", "spare"}, {"fraction", 1.1}};
                     },
                     "/services/0/mirror/fraction: must be 0 to 1, not 1.1"},
        SteeringCase{"MirrorDangling",
                     [](json& c) {
                       value_at(c, "/services/0/mirror") = {{"pool", "shadow"}};
                     },
                     "/services/0/mirror/pool: there is no pool named \"shadow\""},
        SteeringCase{
            "FamilyOfAnyPool",
            [](json& c) { value_at(c, "/pools/3/backends/0/address") = "2001:db8:0:2::21"; },
            "/services/0/forward: full-nat stays within a family: the service is IPv4, 2001:db8:0:2::21 of "
            "pool \"canary\" is not"}),
    [](const auto& info) { return info.param.name; });

json tunnelled(const char* policy) {
  json config = test::sample_config();
  config["services"][1]["policy"] = policy;
  return config;
}

TEST(PoolBehaviour, WhatGoesByAnswersIsRefusedWhereTheyDoNotComeBy) {
  const auto model = parse_config(tunnelled("least-response-time"));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().faults[0].pointer, "/services/1/policy");
  EXPECT_EQ(
      model.error().faults[0].message,
      "least-response-time goes by answers of backends: answers to service \"tunnel\", which forwards by "
      "ipip, do not come by the gateway");
  json config = tunnelled("maglev");
  config["pools"][1]["outlier"] = json::object();
  const auto outlier = parse_config(config);
  ASSERT_FALSE(outlier);
  EXPECT_EQ(outlier.error().faults[0].pointer, "/pools/1/outlier");
  config["services"][1]["forward"] = "direct";
  config["pools"][1]["backends"] = {{{"address", "198.51.100.31"}}};
  EXPECT_EQ(parse_config(config).error().faults[0].pointer, "/pools/1/outlier");
  config["services"][1]["forward"] = "dnat";
  EXPECT_TRUE(parse_config(config));
}

TEST(PoolBehaviour, ComesBackAsItWas) {
  json config = test::sample_config();
  config["pools"][0]["panic"] = 0.3;
  config["pools"][0]["slow_start"] = "30s";
  config["pools"][0]["outlier"] = {{"failures", 7}, {"ejection", "90s"}};
  config["services"][0]["policy"] = "least-response-time";
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  const json back = to_json(*model);
  const json& pool = back["pools"][2];
  EXPECT_EQ(pool["panic"], 0.3);
  EXPECT_EQ(pool["slow_start"], "30s");
  EXPECT_EQ(pool["outlier"], (json{{"failures", 7}, {"window", "10s"}, {"ejection", "90s"}, {"most", 0.5}}));
  EXPECT_FALSE(back["pools"][0].contains("panic") || back["pools"][0].contains("outlier"));
  EXPECT_EQ(back, to_json(*parse_config(back)));
}

TEST(PoolBehaviour, WhatCannotBeIsRefusedAtItsPlace) {
  const auto fault_of = [](const char* key, const json& value) {
    json config = test::sample_config();
    config["pools"][0][key] = value;
    const auto model = parse_config(config);
    return model ? "" : model.error().faults[0].pointer;
  };
  EXPECT_EQ(fault_of("panic", 1.5), "/pools/0/panic");
  EXPECT_EQ(fault_of("panic", "half"), "/pools/0/panic");
  EXPECT_EQ(fault_of("slow_start", "30"), "/pools/0/slow_start");
  EXPECT_EQ(fault_of("outlier", {{"failures", 0}}), "/pools/0/outlier/failures");
  EXPECT_EQ(fault_of("outlier", {{"ejection", "1ms"}}), "/pools/0/outlier/ejection");
  EXPECT_EQ(fault_of("outlier", {{"most", 2}}), "/pools/0/outlier/most");
  EXPECT_EQ(fault_of("outlier", {{"moost", 1}}), "/pools/0/outlier/moost");
}

TEST(Steering, ComesBackAsItWas) {
  json config = canary();
  config["services"][0]["routes"].push_back(
      {{"source", {"198.18.1.1/32"}}, {"split", {{{"pool", "web"}}, {{"pool", "canary"}, {"weight", 0}}}}});
  config["services"][0]["mirror"] = {{"pool", "spare"}, {"fraction", 0.1}};
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  const json back = to_json(*model);
  EXPECT_EQ(back, to_json(*parse_config(back)));
  const json& service = back["services"][1];
  EXPECT_EQ(service["mirror"], config["services"][0]["mirror"]);
  ASSERT_EQ(service["name"], "web");
  EXPECT_FALSE(service.contains("pool"));
  EXPECT_EQ(service["split"], config["services"][0]["split"]);
  EXPECT_EQ(service["routes"][0], config["services"][0]["routes"][0]);
  EXPECT_EQ(service["routes"][1]["split"][0], (json{{"pool", "web"}, {"weight", 1}}));
  EXPECT_FALSE(back["services"][0].contains("split"));
}

TEST(Steering, EveryPoolThatItNamesIsUsed) {
  json config = canary();
  config["pools"][3]["health"] = {{"type", "tcp"}, {"via", "service"}};
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  const ServiceModel& service = *model->services.at("web");
  EXPECT_EQ(pools_of(service), (std::vector<std::string_view>{"web", "canary"}));
  EXPECT_TRUE(uses_pool(service, "canary"));
  EXPECT_FALSE(uses_pool(service, "mixed"));
  EXPECT_TRUE(service_paths(*model).contains("canary"));
  EXPECT_NE(BackendRules(*model).objection("canary", *IpAddress::parse("2001:db8:0:2::5")), "");
}

TEST(Steering, ARouteThatMatchesNoClientIsWarnedOf) {
  json config = canary();
  config["services"][0]["routes"][0]["source"] = {"2001:db8:77::/48"};
  const auto warnings =
      warnings_of(*parse_config(config), config, [](const IpAddress&) { return std::nullopt; });
  const auto found = std::ranges::find(warnings, "/services/0/routes/0/source", &Fault::pointer);
  ASSERT_NE(found, warnings.end());
  EXPECT_EQ(found->message, "matches no client: the service is IPv4");
}

}  // namespace
}  // namespace sluice::ctrl
