#include "dataplane/tables/route_table.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice::dataplane {
namespace {

Route route(const char* to, uint16_t port) {
  return {*Prefix::parse(to), port, true, {}};
}

/// The port of the route found, -1 for none.
int find(const RouteTable& table, const char* destination) {
  const Route* found = table.find(*IpAddress::parse(destination));
  return found == nullptr ? -1 : found->port;
}

TEST(RouteTable, EmptyKnowsNoWay) {
  const auto table = RouteTable::build({});
  EXPECT_EQ(find(*table, "192.0.2.1"), -1);
  EXPECT_EQ(find(*table, "2001:db8::1"), -1);
}

TEST(RouteTable, LongestPrefixWins) {
  const Route routes[] = {route("0.0.0.0/0", 1),     route("10.0.0.0/8", 2),    route("10.20.0.0/16", 3),
                          route("10.20.0.11/32", 4), route("2001:db8::/32", 5), route("2001:db8:1::/48", 6)};
  const auto table = RouteTable::build(routes);
  EXPECT_EQ(find(*table, "192.0.2.1"), 1);
  EXPECT_EQ(find(*table, "10.19.255.255"), 2);
  EXPECT_EQ(find(*table, "10.20.0.10"), 3);
  EXPECT_EQ(find(*table, "10.20.0.11"), 4);
  EXPECT_EQ(find(*table, "10.20.0.12"), 3);
  EXPECT_EQ(find(*table, "10.21.0.0"), 2);
  EXPECT_EQ(find(*table, "11.0.0.0"), 1);
  EXPECT_EQ(find(*table, "2001:db8:0:ffff::"), 5);
  EXPECT_EQ(find(*table, "2001:db8:1:ffff::"), 6);
  EXPECT_EQ(find(*table, "2001:db8:2::"), 5);
  EXPECT_EQ(find(*table, "2001:db9::"), -1);
}

TEST(RouteTable, FamiliesDoNotMix) {
  const Route only6[] = {route("::/0", 6)};
  EXPECT_EQ(find(*RouteTable::build(only6), "192.0.2.1"), -1);
  const Route only4[] = {route("0.0.0.0/0", 4)};
  EXPECT_EQ(find(*RouteTable::build(only4), "2001:db8::1"), -1);
  EXPECT_EQ(find(*RouteTable::build(only4), "255.255.255.255"), 4);
}

TEST(RouteTable, PrefixesThatEndTogether) {
  const Route routes[] = {route("192.0.2.0/24", 1),   route("192.0.2.128/25", 2),
                          route("192.0.2.255/32", 3), route("255.255.255.0/24", 4),
                          route("ffff::/16", 5),      route("ffff:ffff::/32", 6)};
  const auto table = RouteTable::build(routes);
  EXPECT_EQ(find(*table, "192.0.2.254"), 2);
  EXPECT_EQ(find(*table, "192.0.2.255"), 3);
  EXPECT_EQ(find(*table, "192.0.3.0"), -1);
  EXPECT_EQ(find(*table, "255.255.255.255"), 4);
  EXPECT_EQ(find(*table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 6);
}

TEST(RouteTable, AgreesWithALinearSearch) {
  std::mt19937 random(4711);
  std::vector<Route> routes;
  for (uint16_t i = 0; i < 300; ++i) {
    uint8_t bytes[16] = {0x20, 0x01};
    for (int j = 2; j < 5; ++j) bytes[j] = static_cast<uint8_t>(random() % 4);
    const bool v4 = i % 2 == 0;
    const IpAddress address =
        v4 ? IpAddress::v4(Be32::from_host(static_cast<uint32_t>(0x0a000000u | (random() % 64) << 18)))
           : IpAddress::v6(bytes);
    const Prefix prefix =
        Prefix{address, static_cast<uint8_t>(v4 ? 6 + random() % 20 : 10 + random() % 40)}.network();
    bool known = false;
    for (const Route& route : routes) known = known || route.to == prefix;
    if (!known) routes.push_back({prefix, i, true, {}});
  }
  const auto table = RouteTable::build(routes);
  for (int i = 0; i < 5000; ++i) {
    uint8_t bytes[16] = {0x20, 0x01};
    for (int j = 2; j < 6; ++j) bytes[j] = static_cast<uint8_t>(random() % 5);
    const IpAddress address =
        i % 2 == 0
            ? IpAddress::v4(Be32::from_host(static_cast<uint32_t>(0x0a000000u + random() % (70u << 18))))
            : IpAddress::v6(bytes);
    const Route* best = nullptr;
    for (const Route& route : routes) {
      if (route.to.contains(address) && (best == nullptr || route.to.length > best->to.length)) best = &route;
    }
    const Route* found = table->find(address);
    ASSERT_EQ(found == nullptr, best == nullptr) << address.to_string();
    if (best == nullptr) continue;
    ASSERT_EQ(found->port, best->port) << address.to_string();
  }
}

}  // namespace
}  // namespace sluice::dataplane
