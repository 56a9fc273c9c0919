#include "ctrl/intent/config_health.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_schema.h"
#include "ctrl/wire/check_payload.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

Outcome<Model> parsed(const json& health) {
  auto config = test::sample_config();
  config["pools"][0]["health"] = health;
  return parse_config(config);
}

const std::string kPool = "/pools/0/health";

TEST(ConfigHealth, TakesEveryKindAndGivesItBack) {
  const json kinds[] = {
      {{"type", "none"}},
      {{"type", "tcp"}, {"port", 9}},
      {{"type", "tcp"}, {"via", "service"}},
      {{"type", "http"},
       {"host", "www.example.com"},
       {"path", "/up"},
       {"expect", {200, 204}},
       {"expect_body", "ok"}},
      {{"type", "https"},
       {"server_name", "www.example.com"},
       {"ca", "file:/etc/ca.pem"},
       {"insecure", false}},
      {{"type", "tls"}, {"server_name", "192.0.2.1"}, {"insecure", true}},
      {{"type", "grpc"}, {"service", "web.v1.Web"}, {"host", "web"}},
      {{"type", "dns"}, {"name", "example.com."}},
      {{"type", "udp"}, {"send", "hex:00ff"}, {"expect", "pong"}},
      {{"type", "udp"}, {"send", ""}},
  };
  for (const json& health : kinds) {
    const auto model = parsed(health);
    ASSERT_TRUE(model) << health << model.error().faults[0].message;
    const auto& pools = model->pools;
    const auto web = pools.at(test::sample_config()["pools"][0]["name"].get<std::string>());
    const json given_back = encode_health(web->health);
    for (const auto& [key, value] : health.items()) EXPECT_EQ(given_back[key], value) << key;
    const auto again = parsed(given_back);
    ASSERT_TRUE(again) << given_back;
    EXPECT_EQ(again->pools.at(web->name)->health, web->health);
  }
}

TEST(ConfigHealth, RefusesWhatMakesNoSenseAtItsPlace) {
  const std::vector<std::pair<json, std::string>> faulty = {
      {{{"type", "tcp"}, {"path", "/up"}}, "/path"},
      {{{"path", "/up"}}, "/path"},
      {{{"type", "tcp"}, {"host", "x"}}, "/host"},
      {{{"type", "http"}, {"server_name", "x"}}, "/server_name"},
      {{{"type", "http"}, {"insecure", true}}, "/insecure"},
      {{{"type", "grpc"}, {"ca", "file:/x"}}, "/ca"},
      {{{"type", "https"}, {"ca", "/x"}}, "/ca"},
      {{{"type", "tls"}, {"expect_body", "x"}}, "/expect_body"},
      {{{"type", "http"}, {"service", "x"}}, "/service"},
      {{{"type", "udp"}, {"send", "x"}, {"name", "x"}}, "/name"},
      {{{"type", "dns"}, {"name", "x"}, {"send", "x"}}, "/send"},
      {{{"type", "udp"}, {"send", "x"}, {"expect", {201}}}, "/expect"},
      {{{"type", "http"}, {"expect", "ok"}}, "/expect"},
      {{{"type", "udp"}, {"send", "hex:0"}}, "/send"},
      {{{"type", "udp"}, {"send", "x"}, {"expect", "hex:zz"}}, "/expect"},
      {{{"type", "dns"}, {"name", "a..b"}}, "/name"},
      {{{"type", "dns"}}, ""},
      {{{"type", "udp"}}, ""},
      {{{"type", "http"}, {"via", "tunnel"}}, "/via"},
  };
  for (const auto& [health, place] : faulty) {
    const auto model = parsed(health);
    ASSERT_FALSE(model) << health;
    ASSERT_EQ(model.error().faults.size(), 1u) << health;
    EXPECT_EQ(model.error().faults[0].pointer, kPool + place) << health;
  }
}

// What `config show` of older versions wrote for every type.
TEST(ConfigHealth, TakesDefaultsThatMeanNothing) {
  EXPECT_TRUE(parsed({{"type", "tcp"}, {"path", "/"}, {"expect", {200}}}));
  EXPECT_TRUE(parsed({{"type", "none"}, {"path", "/"}, {"expect", {200}}, {"port", 0}}));
}

TEST(ConfigHealth, OnlyDnsKnowsItsPort) {
  auto config = test::sample_config();
  config["pools"][0]["backends"] = {{{"address", "198.51.100.11"}}};
  config["pools"][0]["health"] = {{"type", "dns"}, {"name", "x"}};
  EXPECT_TRUE(parse_config(config));
  config["pools"][0]["health"] = {{"type", "udp"}, {"send", "x"}};
  EXPECT_FALSE(parse_config(config));
}

TEST(CheckPayload, IsTextOrHexadecimal) {
  EXPECT_EQ(payload_bytes("ping").value(), "ping");
  EXPECT_EQ(payload_bytes("hex:00fFA0").value(), std::string("\0\xff\xa0", 3));
  EXPECT_EQ(payload_bytes("hex:").value(), "");
  for (const std::string& text :
       {std::string("hex:0"), std::string("hex:0g"), std::string(kMostPayloadBytes + 1, 'x')}) {
    EXPECT_FALSE(payload_bytes(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::ctrl
