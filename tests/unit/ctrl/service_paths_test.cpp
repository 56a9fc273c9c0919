#include "ctrl/intent/service_paths.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// The paths of pool "mixed", whose services these are: `service mode address port`, each a line.
std::string paths(const json& health, const std::vector<json>& services) {
  auto config = test::sample_config();
  config["pools"][1]["health"] = health;
  config["services"] = json::array();
  for (size_t i = 0; i < services.size(); ++i) {
    json service = {{"name", "s" + std::to_string(10 + i)},
                    {"address", "203.0.113.10"},
                    {"port", 80},
                    {"forward", "gue"},
                    {"pool", "mixed"}};
    if (services[i].is_object()) service.update(services[i]);
    config["services"].push_back(service);
  }
  const auto model = parse_config(config);
  EXPECT_TRUE(model) << (model ? "" : model.error().faults[0].message);
  std::string text;
  const ServicePaths all = service_paths(*model);
  const auto found = all.find("mixed");
  if (found == all.end()) return "none";
  for (const ServicePath& path : found->second) {
    text += path.service + " " + std::to_string(static_cast<int>(path.mode)) + " " +
            path.address.to_string() + " " + std::to_string(path.port) + "\n";
  }
  return text;
}

const json kTcp = {{"type", "tcp"}, {"via", "service"}};
const json kUdp = {{"type", "udp"}, {"send", "x"}, {"via", "service"}};

TEST(ServicePaths, AreOnlyOfPoolsThatWantThem) {
  EXPECT_EQ(paths({{"type", "tcp"}, {"port", 9}}, {{}}), "none");
  EXPECT_EQ(paths({{"type", "tcp"}, {"via", "backend"}, {"port", 9}}, {{}}), "none");
  EXPECT_EQ(paths({{"type", "none"}}, {{}}), "none");
  EXPECT_EQ(paths(kTcp, {}), "none");
  EXPECT_EQ(paths(kTcp, {{}}), "s10 3 203.0.113.10 80\n");
}

TEST(ServicePaths, GoToThePortOfTheService) {
  EXPECT_EQ(paths(kTcp, {{{"port", "8000-8099"}}}), "s10 3 203.0.113.10 8000\n");
  EXPECT_EQ(paths(kTcp, {{{"port", "any"}}}), "s10 3 203.0.113.10 0\n");
  EXPECT_EQ(paths({{"type", "tcp"}, {"via", "service"}, {"port", 7}}, {{{"port", "8000-8099"}}}),
            "s10 3 203.0.113.10 7\n");
}

TEST(ServicePaths, AreThoseOfTheChecksProtocolOrElseOfAnother) {
  const std::vector<json> both = {{}, {{"protocol", "udp"}, {"port", 53}, {"forward", "ipip"}}};
  EXPECT_EQ(paths(kTcp, both), "s10 3 203.0.113.10 80\n");
  EXPECT_EQ(paths(kUdp, both), "s11 2 203.0.113.10 53\n");
  EXPECT_EQ(paths(kTcp, {both[1]}), "s10 2 203.0.113.10 0\n") << "whose port is of the other protocol";
}

TEST(ServicePaths, AreEachWayOnce) {
  std::vector<json> services;
  for (int i = 0; i < 20; ++i) services.push_back({{"address", "203.0.113." + std::to_string(100 + i)}});
  const std::string many = paths(kTcp, services);
  EXPECT_EQ(std::count(many.begin(), many.end(), '\n'), kMostServicePaths);
  const json seven = {{"type", "tcp"}, {"via", "service"}, {"port", 7}};
  EXPECT_EQ(paths(seven, {{}, {{"port", 81}}}), "s10 3 203.0.113.10 7\n");
}

TEST(ServicePaths, CountServicesThatTranslateOnce) {
  auto config = test::sample_config();
  config["pools"][0]["health"] = kTcp;
  config["services"].push_back(
      {{"name", "web2"}, {"address", "203.0.113.12"}, {"port", 80}, {"pool", "web"}, {"forward", "dnat"}});
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  const ServicePaths all = service_paths(*model);
  ASSERT_EQ(all.at("web").size(), 1u);
  EXPECT_TRUE(lb::is_nat(all.at("web")[0].mode));
}

}  // namespace
}  // namespace sluice::ctrl
