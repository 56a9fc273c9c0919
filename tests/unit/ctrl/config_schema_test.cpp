#include "ctrl/intent/config_schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "ctrl/intent/load_config.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using test::sample_config;

struct RefusedCase {
  const char* name;
  std::function<void(json&)> bend;
  const char* fault;  ///< how the one fault starts
};

class RefusedConfig : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedConfig, HasOneFaultAtItsPlace) {
  json config = sample_config();
  GetParam().bend(config);
  const auto faults = fault_lines(config);
  ASSERT_EQ(faults.size(), 1u) << testing::PrintToString(faults);
  EXPECT_EQ(faults[0].substr(0, std::string(GetParam().fault).size()), GetParam().fault);
}

const RefusedCase kCases[] = {
    {"Empty", [](json& c) { c = nullptr; }, ": must be a mapping, not empty"},
    {"UnknownKey", [](json& c) { c["prots"] = 1; },
     "/prots: unknown key \"prots\" (did you mean \"ports\"?)"},
    {"UnknownKeyInside", [](json& c) { value_at(c, "/pools/0/backends/1/wieght") = 1; },
     "/pools/0/backends/1/wieght: unknown key \"wieght\" (did you mean \"weight\"?)"},
    {"EscapedPointer", [](json& c) { c["a/b~c"] = 1; }, "/a~1b~0c: unknown key"},
    {"Missing", [](json& c) { value_at(c, "/services/0").erase("port"); },
     "/services/0/port: \"port\" is missing"},
    {"NoWorkers", [](json& c) { value_at(c, "/gateway/workers") = json::array(); },
     "/gateway/workers: must have at least 1 element"},
    {"Type", [](json& c) { value_at(c, "/ports/0/mtu") = "big"; },
     "/ports/0/mtu: must be an integer, not \"big\""},
    {"Fraction", [](json& c) { value_at(c, "/ports/0/mtu") = 1500.5; },
     "/ports/0/mtu: must be an integer, not 1500.5"},
    {"WeightBelow", [](json& c) { value_at(c, "/pools/0/backends/0/weight") = -1; },
     "/pools/0/backends/0/weight: must be 0 to 65535, not -1"},
    {"WeightAbove", [](json& c) { value_at(c, "/pools/0/backends/0/weight") = 65536; },
     "/pools/0/backends/0/weight: must be 0 to 65535, not 65536"},
    {"Choice", [](json& c) { value_at(c, "/services/0/policy") = "magleev"; },
     "/services/0/policy: must be maglev, source-hash, weighted-round-robin, random, two-choices, "
     "least-connections or least-response-time, not \"magleev\" (did you mean \"maglev\"?)"},
    {"Address", [](json& c) { value_at(c, "/pools/0/backends/0/address") = "198.51.100.300"; },
     "/pools/0/backends/0/address: \"198.51.100.300\" is not an IPv4 or IPv6 address"},
    {"HostBits", [](json& c) { value_at(c, "/services/0/address") = "203.0.113.10/24"; },
     "/services/0/address: \"203.0.113.10/24\" has host bits set"},
    {"MulticastBackend", [](json& c) { value_at(c, "/pools/0/backends/0/address") = "224.0.0.1"; },
     "/pools/0/backends/0/address: \"224.0.0.1\" is not the address of one host"},
    {"PortWord", [](json& c) { value_at(c, "/services/0/port") = "http"; },
     "/services/0/port: \"http\" is not a port"},
    {"PortRange", [](json& c) { value_at(c, "/services/0/port") = "90-80"; },
     "/services/0/port: the range 90-80 ends before it begins"},
    {"PortType", [](json& c) { value_at(c, "/services/0/port") = true; },
     "/services/0/port: must be an integer or a string, not true"},
    {"Vlan", [](json& c) { value_at(c, "/ports/1/vlan") = 4095; },
     "/ports/1/vlan: must be 1 to 4094, not 4095"},
    {"ThreeVlans",
     [](json& c) {
       value_at(c, "/ports/1/vlan") = {1, 2, 3};
     },
     "/ports/1/vlan: must have at most 2 elements, not 3"},
    {"HashKey", [](json& c) { value_at(c, "/gateway/hash_key") = "0001"; },
     "/gateway/hash_key: must be 32 hexadecimal digits"},
    {"Duration",
     [](json& c) {
       value_at(c, "/services/0/idle_timeout") = {{"tcp", "300"}};
     },
     "/services/0/idle_timeout/tcp: \"300\" is not a duration such as"},
    {"ShortTimeout",
     [](json& c) {
       value_at(c, "/services/0/idle_timeout") = {{"tcp", "10ms"}};
     },
     "/services/0/idle_timeout/tcp: must be at least 1s"},
    {"Mac", [](json& c) { value_at(c, "/ports/0/mac") = "03:00:00:00:00:01"; },
     "/ports/0/mac: 03:00:00:00:00:01 is not the MAC address of one station"},
    {"SmallMtuWithV6", [](json& c) { value_at(c, "/ports/0/mtu") = 1279; },
     "/ports/0/mtu: must be at least 1280"},
    {"PortNameTwice", [](json& c) { value_at(c, "/ports/1/name") = "edge"; },
     "/ports/1/name: there is a port named \"edge\" already"},
    {"DeviceTwice", [](json& c) { value_at(c, "/ports/1/device") = "net_null0"; },
     "/ports/1/device: another port uses this device already"},
    {"OwnAddressTwice", [](json& c) { value_at(c, "/ports/0/addresses").push_back("192.0.2.1/25"); },
     "/ports/0/addresses/2: 192.0.2.1 is listed twice"},
    {"NetworkTwice", [](json& c) { value_at(c, "/ports/1/addresses").push_back("192.0.2.77/24"); },
     "/ports/1/addresses/2: another port is on network 192.0.2.0/24 already"},
    {"RouteTwice", [](json& c) { c["routes"].push_back(c["routes"][0]); },
     "/routes/1/to: there is a route to 0.0.0.0/0 already"},
    {"RouteToConnected", [](json& c) { value_at(c, "/routes/0/to") = "198.51.100.0/24"; },
     "/routes/0/to: 198.51.100.0/24 is the network of a port"},
    {"UnreachableGateway", [](json& c) { value_at(c, "/routes/0/via") = "10.9.9.9"; },
     "/routes/0/via: 10.9.9.9 is on no network of a port"},
    {"OwnGateway", [](json& c) { value_at(c, "/routes/0/via") = "192.0.2.1"; },
     "/routes/0/via: 192.0.2.1 is an address of a port itself"},
    {"RouteAcrossFamilies", [](json& c) { value_at(c, "/routes/0/via") = "2001:db8:0:1::9"; },
     "/routes/0/via: must be an address of the family of \"to\""},
    {"StrangeNeighbor", [](json& c) { value_at(c, "/neighbors/0/address") = "2001:db8:9::9"; },
     "/neighbors/0/address: 2001:db8:9::9 is on no network of a port, and no route says which"},
    {"NeighborWithARoute",
     [](json& c) {
       c["routes"].push_back({{"to", "10.9.9.9"}, {"via", "192.0.2.254"}});
       value_at(c, "/neighbors/0/address") = "10.9.9.9";
     },
     "/neighbors/0/address: there is a route to 10.9.9.9 already"},
    {"NeighborTwice", [](json& c) { c["neighbors"].push_back(c["neighbors"][0]); },
     "/neighbors/1/address: 198.51.100.11 is listed twice"},
    {"SnatTwice", [](json& c) { c["snat"].push_back("198.51.100.1"); },
     "/snat/2: 198.51.100.1 is listed twice"},
    {"EncapFamily", [](json& c) { value_at(c, "/encap/source") = "2001:db8::1"; },
     "/encap/source: must be an IPv4 address"},
    {"PoolTwice", [](json& c) { value_at(c, "/pools/2/name") = "mixed"; },
     "/pools/2/name: there is a pool named \"mixed\" already"},
    {"BackendTwice", [](json& c) { value_at(c, "/pools/0/backends/2/address") = "198.51.100.11"; },
     "/pools/0/backends/2: 198.51.100.11:8080 is listed twice"},
    {"TableNotPrime", [](json& c) { value_at(c, "/pools/0/table_size") = 1022; },
     "/pools/0/table_size: must be a prime: 1031 would do"},
    {"TableTooSmall", [](json& c) { value_at(c, "/pools/0/table_size") = 293; },
     "/pools/0/table_size: must be at least 100 times the 3 backends: 307 would do"},
    {"HealthWithoutPort",
     [](json& c) {
       value_at(c, "/pools/1/health") = {{"type", "tcp"}};
     },
     "/pools/1/backends/0: has no port to check"},
    {"ServiceTwice", [](json& c) { value_at(c, "/services/1/name") = "web"; },
     "/services/1/name: there is a service named \"web\" already"},
    {"Dangling", [](json& c) { value_at(c, "/services/0/pool") = "wab"; },
     "/services/0/pool: there is no pool named \"wab\""},
    {"NatAcrossFamilies", [](json& c) { value_at(c, "/services/1/forward") = "dnat"; },
     "/services/1/forward: dnat stays within a family: the service is IPv4, 2001:db8:0:2::11 of pool "
     "\"mixed\" is "
     "not"},
    {"NoSnat", [](json& c) { c["snat"] = {"2001:db8:0:2::1"}; },
     "/services/0/forward: full-nat needs an IPv4 address in \"snat\""},
    {"NoEncapSource", [](json& c) { c["encap"].erase("source6"); },
     "/services/1/forward: ipip to 2001:db8:0:2::11 of pool \"mixed\" needs \"encap.source6\""},
    {"DirectOffLink", [](json& c) { value_at(c, "/services/1/forward") = "direct"; },
     "/services/1/forward: direct reaches only neighbors: 203.0.113.99 of pool \"mixed\" is on no network"},
    {"ServiceOnSnatPorts",
     [](json& c) {
       value_at(c, "/services/0/address") = "198.51.100.1";
       value_at(c, "/services/0/port") = 8080;
     },
     "/services/0/port: ports 1024 to 65535 of 198.51.100.1 are for replies to full-nat"},
    {"Overlap",
     [](json& c) {
       c["services"].push_back(
           {{"name", "all"}, {"address", "203.0.113.0/24"}, {"port", "80-90"}, {"pool", "web"}});
     },
     "/services/2: overlaps service \"web\""},
    {"SocketPath",
     [](json& c) {
       c["control"] = {{"socket", "sluice.sock"}};
     },
     "/control/socket: \"sluice.sock\" is not an absolute path"},
    {"Mode",
     [](json& c) {
       c["control"] = {{"mode", "rw"}};
     },
     "/control/mode: \"rw\" is not an octal file mode"},
    {"Listen",
     [](json& c) {
       c["http"] = {{"listen", "::1:80"}};
     },
     "/http/listen: \"::1:80\" is not an address and port"},
};

INSTANTIATE_TEST_SUITE_P(Each, RefusedConfig, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ParseConfig, SaysAllFaultsAtOnceAndNoneTwice) {
  json config = sample_config();
  config["prots"] = 1;
  config["gateway"]["workers"] = {0, "x", -1};
  config["pools"][0]["backends"][0]["weight"] = -1;
  config["pools"][0]["table_size"] = 1022;
  config["services"][0]["pool"] = "wab";
  config["services"][1]["address"] = "here";
  config["routes"][0]["via"] = "10.9.9.9";
  const auto faults = fault_lines(config);
  std::set<std::string> pointers;
  for (const auto& fault : faults) pointers.insert(fault.substr(0, fault.find(':')));
  EXPECT_EQ(pointers, (std::set<std::string>{"/prots", "/gateway/workers/1", "/gateway/workers/2",
                                             "/pools/0/backends/0/weight", "/pools/0/table_size",
                                             "/services/0/pool", "/services/1/address", "/routes/0/via"}));
  EXPECT_EQ(faults.size(), pointers.size()) << testing::PrintToString(faults);
}

TEST(ParseConfig, TakesTheSampleOfTheInterface) {
  const auto loaded = load_config(SLUICE_SOURCE_ROOT "/tests/unit/ctrl/interface_sample.yaml");
  EXPECT_TRUE(loaded) << json(loaded.error()).dump();
}

TEST(ParseConfig, TheOnlyPortHasWhateverNeighborBelongsToNoNetwork) {
  json config = test::sample_config();
  config["ports"].erase(1);
  config["routes"] = json::array();
  config["services"] = json::array();
  value_at(config, "/neighbors/0/address") = "10.9.9.9";
  EXPECT_TRUE(parse_config(config));
}

TEST(ParseConfig, BoundsItsAnswerToHostileInput) {
  json config = sample_config();
  for (int i = 0; i < 5000; ++i) config["x" + std::to_string(i)] = 1;
  EXPECT_LE(fault_lines(config).size(), 1000u);
}

TEST(ParseConfig, ReadsWhatIsThere) {
  json config = sample_config();
  config["gateway"]["idle"] = "poll";
  config["ports"][1]["vlan"] = {200, 100};
  config["pools"][0]["health"] = {
      {"type", "http"}, {"path", "/ok"}, {"expect", {200, 204}}, {"interval", "1500ms"}};
  config["services"][1]["port"] = "8000-8099";
  config["services"][1]["idle_timeout"] = {{"udp", "2m"}};
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->boot.idle, dataplane::IdleMode::kPoll);
  EXPECT_EQ(model->hash_key, (SipKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}));
  EXPECT_EQ(model->boot.ports[1].vlan_tags, 2);
  EXPECT_EQ(model->boot.ports[1].vlan_ids[0], 200);
  const HealthCheck& health = model->pools.at("web")->health;
  EXPECT_EQ(health.type, HealthType::kHttp);
  EXPECT_EQ(health.expect, (std::vector<unsigned>{200, 204}));
  EXPECT_EQ(health.interval.count(), 1500);
  const ServiceModel& tunnel = *model->services.at("tunnel");
  EXPECT_EQ(tunnel.first_port, 8000);
  EXPECT_EQ(tunnel.last_port, 8099);
  EXPECT_EQ(tunnel.udp_idle_timeout.count(), 120'000);
}

TEST(ToJson, IsReadBackAsTheSameConfiguration) {
  const auto model = parse_config(sample_config());
  ASSERT_TRUE(model);
  const json filled = to_json(*model);
  const auto again = parse_config(filled);
  ASSERT_TRUE(again) << testing::PrintToString(fault_lines(filled));
  EXPECT_EQ(to_json(*again), filled);
  EXPECT_EQ(filled["services"][1]["name"], "web");  // in order of name
  EXPECT_EQ(filled["services"][1]["forward"], "full-nat");
}

/// Walks schema and configuration side by side: each default that the schema promises is the one filled in.
void expect_defaults(const json& root, json schema, const json& value, const std::string& pointer) {
  for (const auto& [key, child] : schema.at("properties").items()) {
    const std::string below = pointer + "/" + key;
    json resolved = child;
    if (child.contains("$ref"))
      resolved.update(root.at(json::json_pointer(child["$ref"].get<std::string>().substr(1))));
    if (resolved.value("type", "") == "object") {
      if (value.contains(key)) expect_defaults(root, resolved, value[key], below);
    } else if (child.contains("default") && child["default"] != json::array()) {
      EXPECT_EQ(value.value(key, json()), child["default"]) << below;
    }
    if (resolved.value("type", "") == "array" && value.contains(key)) {
      const json& items = resolved["items"];
      if (items.value("type", "") != "object") continue;
      for (const json& element : value[key]) expect_defaults(root, items, element, below + "/*");
    }
  }
}

TEST(ToJson, FillsInTheDefaultsThatTheSchemaPromises) {
  const json config = json::parse(R"({
    "gateway": {"workers": [0]},
    "ports": [{"name": "edge", "device": "net_null0"}],
    "snat": ["192.0.2.1"],
    "pools": [{"name": "web", "backends": [{"address": "192.0.2.11"}]}],
    "services": [{"name": "web", "address": "203.0.113.10", "port": 80, "pool": "web"}]
  })");
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  const json schema = json::parse(config_schema());
  expect_defaults(schema, schema, to_json(*model), "");
}

}  // namespace
}  // namespace sluice::ctrl
