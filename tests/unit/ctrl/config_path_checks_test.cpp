// What a configuration asks of the ways to its backends: their MTU, and where they are.
#include <gtest/gtest.h>

#include <string>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/config_faults.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// A port towards clients and one towards a backend, which the service goes to in a mode of forwarding.
json path_config(const std::string& vip, const std::string& backend, const std::string& forward) {
  json config = test::sample_config();
  config["neighbors"] = json::array();
  config["pools"] = {{{"name", "p"}, {"backends", {{{"address", backend}}}}}};
  config["services"] = {{{"name", "s"}, {"address", vip}, {"port", 80}, {"forward", forward}, {"pool", "p"}}};
  return config;
}

struct MtuCase {
  const char* vip;
  const char* backend;
  const char* forward;
  int least;  ///< of the port towards the backend: what a host heeds, and the tunnel's headers (RFC 2473,
              ///< 4213)
};

class LeastMtu : public testing::TestWithParam<MtuCase> {};
INSTANTIATE_TEST_SUITE_P(All, LeastMtu,
                         testing::Values(MtuCase{"2001:db8:f::1", "2001:db8:0:2::11", "ipip", 1280 + 40},
                                         MtuCase{"2001:db8:f::1", "198.51.100.11", "ipip", 1280 + 20},
                                         MtuCase{"2001:db8:f::1", "2001:db8:0:2::11", "gue", 1280 + 40 + 8},
                                         MtuCase{"2001:db8:f::1", "198.51.100.11", "gue", 1280 + 20 + 8},
                                         MtuCase{"2001:db8:f::1", "2001:db8:0:2::11", "dnat", 1280},
                                         MtuCase{"2001:db8:f::1", "2001:db8:0:2::11", "full-nat", 1280},
                                         MtuCase{"2001:db8:f::1", "2001:db8:0:2::11", "direct", 1280},
                                         MtuCase{"203.0.113.10", "2001:db8:0:2::11", "ipip", 1280},
                                         MtuCase{"203.0.113.10", "198.51.100.11", "ipip", 68 + 20},
                                         MtuCase{"203.0.113.10", "198.51.100.11", "gue", 68 + 28},
                                         MtuCase{"203.0.113.10", "198.51.100.11", "dnat", 68}));

TEST_P(LeastMtu, IsAskedOfThePortTowardsTheBackend) {
  const MtuCase& wanted = GetParam();
  json config = path_config(wanted.vip, wanted.backend, wanted.forward);
  if (wanted.least < 1280) config["ports"][1]["addresses"] = {"198.51.100.1/24"};
  config["snat"] = {"198.51.100.1", "2001:db8:f::99"};
  config["ports"][1]["mtu"] = wanted.least;
  EXPECT_EQ(fault_lines(config), std::vector<std::string>{});
  if (wanted.least == 68) return;  // the schema's own bound
  config["ports"][1]["mtu"] = wanted.least - 1;
  const auto faults = fault_lines(config);
  ASSERT_EQ(faults.size(), 1u) << testing::PrintToString(faults);
  EXPECT_TRUE(faults[0].starts_with("/ports/1/mtu: must be at least " + std::to_string(wanted.least) + ": "))
      << faults[0];
}

TEST(LeastMtus, AreAskedOfTheRoutedPortToo) {
  json config = path_config("2001:db8:f::1", "10.9.9.9", "gue");
  config["routes"].push_back({{"to", "10.9.0.0/16"}, {"via", "198.51.100.254"}});
  config["ports"][1]["mtu"] = 1307;
  const auto faults = fault_lines(config);
  ASSERT_EQ(faults.size(), 1u) << testing::PrintToString(faults);
  EXPECT_TRUE(faults[0].starts_with("/ports/1/mtu: must be at least 1308: service \"s\" ")) << faults[0];
}

TEST(LeastMtus, HoldForIpv6ByALinkLocalGateway) {
  json config = path_config("203.0.113.10", "198.51.100.11", "dnat");
  config["ports"][1]["addresses"] = {"198.51.100.1/24"};
  config["ports"][1]["mtu"] = 1279;
  EXPECT_EQ(fault_lines(config), std::vector<std::string>{});
  config["routes"].push_back({{"to", "2001:db8:9::/48"}, {"via", "fe80::1%core"}});
  const auto faults = fault_lines(config);
  ASSERT_EQ(faults.size(), 1u) << testing::PrintToString(faults);
  EXPECT_TRUE(faults[0].starts_with("/ports/1/mtu: must be at least 1280: IPv6 ")) << faults[0];
}

std::string fault_of_backend(const char* address, const char* check) {
  json config = test::sample_config();
  config["pools"][2]["backends"] = {{{"address", address}, {"port", 80}}};
  config["pools"][2]["health"] = {{"type", check}};
  const auto faults = fault_lines(config);
  return faults.size() == 1 ? faults[0] : testing::PrintToString(faults);
}

TEST(BackendAddress, IsNoneOfTheGatewayItself) {
  for (const char* own : {"192.0.2.1", "2001:db8:0:2::1", "198.51.100.1", "203.0.113.10", "203.0.113.11"}) {
    EXPECT_EQ(fault_of_backend(own, "none"),
              "/pools/2/backends/0/address: " + std::string(own) +
                  " is an address of this gateway itself: packets would come back to it");
  }
}

TEST(BackendAddress, IsLinkLocalOnlyWhereItCanBeReached) {
  EXPECT_EQ(
      fault_of_backend("fe80::11", "none"),
      "/pools/2/backends/0/address: fe80::11 is link-local and on no network of a port, so it cannot be "
      "reached");
  EXPECT_EQ(
      fault_of_backend("fe80::11", "tcp"),
      "/pools/2/backends/0/address: fe80::11 is link-local, which health checks cannot reach: it is the "
      "same on every link");
}

json with_route(const char* via) {
  json config = test::sample_config();
  config["routes"].push_back({{"to", "2001:db8:9::/48"}, {"via", via}});
  return config;
}

TEST(LinkLocalGateway, NamesItsPort) {
  const auto model = parse_config(with_route("fe80::1%core"));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->routes[1].via_port, 1);
  EXPECT_EQ(to_json(*model)["routes"][1]["via"], "fe80::1%core");
  const auto again = parse_config(to_json(*model));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->routes, model->routes);
}

TEST(LinkLocalGateway, IsRefusedWithoutAPortThatIsThere) {
  EXPECT_EQ(fault_lines(with_route("fe80::1")),
            std::vector<std::string>{"/routes/1/via: fe80::1 is link-local: say which port it is on, as in "
                                     "fe80::1%edge"});
  EXPECT_EQ(fault_lines(with_route("fe80::1%moon")),
            std::vector<std::string>{"/routes/1/via: there is no port named \"moon\""});
  EXPECT_EQ(
      fault_lines(with_route("2001:db8:0:1::9%edge")),
      std::vector<std::string>{"/routes/1/via: only a link-local address (fe80::/10) is followed by the "
                               "port that it is on"});
  EXPECT_EQ(fault_lines(with_route("fe80::1%")).size(), 1u);
}

TEST(LinkLocalNeighbor, IsOneOnEachPort) {
  json config = test::sample_config();
  for (const char* address : {"fe80::1%edge", "fe80::1%core"}) {
    config["neighbors"].push_back({{"address", address}, {"mac", "02:00:00:00:00:99"}});
  }
  const auto model = parse_config(config);
  ASSERT_TRUE(model);
  EXPECT_EQ(to_json(*model)["neighbors"][2]["address"], "fe80::1%core");
  config["neighbors"].push_back(config["neighbors"][1]);
  EXPECT_EQ(fault_lines(config), std::vector<std::string>{"/neighbors/3/address: fe80::1 is listed twice"});
}

}  // namespace
}  // namespace sluice::ctrl
