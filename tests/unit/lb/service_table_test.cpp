#include "lb/service_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

constexpr auto kTcp = IpProtocol::kTcp;
constexpr auto kUdp = IpProtocol::kUdp;

ServiceMatch match(std::string_view prefix, unsigned first, unsigned last, IpProtocol protocol,
                   ServiceId service) {
  return {Prefix::parse(prefix).value(), static_cast<uint16_t>(first), static_cast<uint16_t>(last), protocol,
          service};
}

ServiceId find(const ServiceTable& table, std::string_view destination, unsigned number,
               IpProtocol protocol) {
  return table.find(address(destination), port(number), protocol);
}

TEST(ServiceTable, FindsNothingInAnEmptyTable) {
  const auto table = ServiceTable::build({});
  EXPECT_EQ(find(*table, "203.0.113.10", 80, kTcp), kNoService);
  EXPECT_EQ(find(*table, "::", 0, kTcp), kNoService);
  EXPECT_FALSE(table->has_address(address("203.0.113.10")));
  EXPECT_FALSE(table->has_address(address("::")));
}

TEST(ServiceTable, TellsExactMatchesApart) {
  const std::vector<ServiceMatch> matches = {
      match("203.0.113.10", 80, 80, kTcp, 0),   match("203.0.113.10", 80, 80, kUdp, 1),
      match("203.0.113.10", 443, 443, kTcp, 2), match("203.0.113.11", 80, 80, kTcp, 3),
      match("2001:db8::10", 80, 80, kTcp, 4),   match("203.0.113.12", 0, 0, kTcp, 5)};
  const auto table = ServiceTable::build(matches);
  EXPECT_EQ(find(*table, "203.0.113.10", 80, kTcp), 0u);
  EXPECT_EQ(find(*table, "203.0.113.10", 80, kUdp), 1u);
  EXPECT_EQ(find(*table, "203.0.113.10", 443, kTcp), 2u);
  EXPECT_EQ(find(*table, "203.0.113.11", 80, kTcp), 3u);
  EXPECT_EQ(find(*table, "2001:db8::10", 80, kTcp), 4u);
  EXPECT_EQ(find(*table, "203.0.113.12", 0, kTcp), 5u);
  EXPECT_EQ(find(*table, "203.0.113.12", 1, kTcp), kNoService);
  EXPECT_EQ(find(*table, "203.0.113.10", 443, kUdp), kNoService);
  EXPECT_EQ(find(*table, "203.0.113.10", 20480, kTcp), kNoService) << "80 with its bytes swapped";
  EXPECT_EQ(find(*table, "2001:db8::11", 80, kTcp), kNoService);
}

TEST(ServiceTable, FindsPortRangesToTheirEdges) {
  const std::vector<ServiceMatch> matches = {
      match("203.0.113.10", 8000, 8099, kTcp, 0), match("203.0.113.10", 8100, 8100, kTcp, 1),
      match("203.0.113.10", 8101, 65535, kTcp, 2), match("203.0.113.10", 0, 65535, kUdp, 3),
      match("2001:db8::10", 0, 9, kTcp, 4)};
  const auto table = ServiceTable::build(matches);
  EXPECT_EQ(find(*table, "203.0.113.10", 7999, kTcp), kNoService);
  EXPECT_EQ(find(*table, "203.0.113.10", 8000, kTcp), 0u);
  EXPECT_EQ(find(*table, "203.0.113.10", 8099, kTcp), 0u);
  EXPECT_EQ(find(*table, "203.0.113.10", 8100, kTcp), 1u);
  EXPECT_EQ(find(*table, "203.0.113.10", 8101, kTcp), 2u);
  EXPECT_EQ(find(*table, "203.0.113.10", 65535, kTcp), 2u);
  EXPECT_EQ(find(*table, "203.0.113.10", 0, kUdp), 3u);
  EXPECT_EQ(find(*table, "203.0.113.10", 65535, kUdp), 3u);
  EXPECT_EQ(find(*table, "2001:db8::10", 9, kTcp), 4u);
  EXPECT_EQ(find(*table, "2001:db8::10", 10, kTcp), kNoService);
}

TEST(ServiceTable, FindsPrefixesOfEveryLength) {
  const std::vector<ServiceMatch> matches = {
      match("198.51.100.0/24", 80, 80, kTcp, 0), match("198.51.101.128/25", 80, 80, kTcp, 1),
      match("2001:db8:0:1::/64", 0, 65535, kUdp, 2), match("2001:db8:0:2:8000::/65", 53, 53, kUdp, 3),
      match("203.0.113.10", 80, 80, kTcp, 4)};
  const auto table = ServiceTable::build(matches);
  EXPECT_EQ(find(*table, "198.51.100.0", 80, kTcp), 0u);
  EXPECT_EQ(find(*table, "198.51.100.255", 80, kTcp), 0u);
  EXPECT_EQ(find(*table, "198.51.100.255", 81, kTcp), kNoService);
  EXPECT_EQ(find(*table, "198.51.101.127", 80, kTcp), kNoService);
  EXPECT_EQ(find(*table, "198.51.101.128", 80, kTcp), 1u);
  EXPECT_EQ(find(*table, "2001:db8:0:1:ffff::1", 4000, kUdp), 2u);
  EXPECT_EQ(find(*table, "2001:db8:0:2:8000::1", 53, kUdp), 3u);
  EXPECT_EQ(find(*table, "2001:db8:0:2:7fff::1", 53, kUdp), kNoService);
  EXPECT_EQ(find(*table, "203.0.113.10", 80, kTcp), 4u);
}

TEST(ServiceTable, KeepsTheFamiliesApart) {
  const std::vector<ServiceMatch> v6 = {match("::/0", 80, 80, kTcp, 0)};
  EXPECT_EQ(find(*ServiceTable::build(v6), "192.0.2.1", 80, kTcp), kNoService);
  EXPECT_EQ(find(*ServiceTable::build(v6), "2001:db8::1", 80, kTcp), 0u);
  const std::vector<ServiceMatch> v4 = {match("0.0.0.0/0", 80, 80, kTcp, 0)};
  EXPECT_EQ(find(*ServiceTable::build(v4), "192.0.2.1", 80, kTcp), 0u);
  EXPECT_EQ(find(*ServiceTable::build(v4), "2001:db8::1", 80, kTcp), kNoService);
}

TEST(ServiceTable, KnowsTheAddressesOfItsServices) {
  const std::vector<ServiceMatch> matches = {
      match("203.0.113.10", 80, 80, kTcp, 0), match("203.0.113.11", 1, 9, kTcp, 1),
      match("198.51.100.0/24", 80, 80, kTcp, 2), match("2001:db8:1::/48", 80, 80, kTcp, 3)};
  const auto table = ServiceTable::build(matches);
  for (const auto* known : {"203.0.113.10", "203.0.113.11", "198.51.100.77", "2001:db8:1::9"}) {
    EXPECT_TRUE(table->has_address(address(known))) << known;
  }
  for (const auto* unknown : {"203.0.113.12", "198.51.101.0", "198.51.99.255", "2001:db8:2::"}) {
    EXPECT_FALSE(table->has_address(address(unknown))) << unknown;
  }
}

TEST(ServiceTable, HoldsManyServices) {
  std::vector<ServiceMatch> matches;
  for (uint32_t i = 0; i < 20'000; ++i) {
    const auto number = static_cast<uint16_t>(i % 50 + 1);
    matches.push_back({{IpAddress::v4(Be32::from_host(0xc6120000 + i / 50)), 32}, number, number, kTcp, i});
  }
  const auto table = ServiceTable::build(matches);
  for (const auto& each : matches) {
    ASSERT_EQ(table->find(each.address.address, port(each.first_port), kTcp), each.service);
    ASSERT_EQ(table->find(each.address.address, port(each.first_port + 50u), kTcp), kNoService);
  }
}

/// One block of addresses for each match, so that none overlap; what is asked for lies around them.
RC_GTEST_PROP(ServiceTable, AgreesWithALinearSearch, ()) {
  const auto count = *rc::gen::inRange<uint32_t>(1, 30);
  std::vector<ServiceMatch> matches;
  for (uint32_t i = 0; i < count; ++i) {
    const bool v4 = *rc::gen::arbitrary<bool>();
    const auto length = *rc::gen::inRange<uint8_t>(v4 ? 24 : 48, v4 ? 33 : 129);
    const IpAddress at = v4 ? address("198.18." + std::to_string(i) + ".129")
                            : address("2001:db8:" + std::to_string(i) + "::8001");
    const auto first = *rc::gen::inRange<uint16_t>(0, 50);
    const auto last = *rc::gen::inRange<uint16_t>(first, 51);
    matches.push_back({Prefix{at, length}.network(), first, last, *rc::gen::element(kTcp, kUdp), i});
  }
  const auto table = ServiceTable::build(matches);
  for (int probe = 0; probe < 200; ++probe) {
    const auto i = *rc::gen::inRange<uint32_t>(0, count + 1);
    const auto low = *rc::gen::element<unsigned>(0, 1, 127, 128, 129, 130, 254, 255);
    const IpAddress destination =
        *rc::gen::arbitrary<bool>()
            ? address("198.18." + std::to_string(i) + "." + std::to_string(low))
            : address("2001:db8:" + std::to_string(i) + "::80" + std::to_string(low % 100));
    const auto number = *rc::gen::inRange<uint16_t>(0, 52);
    const auto protocol = *rc::gen::element(kTcp, kUdp);
    ServiceId expected = kNoService;
    bool expected_address = false;
    for (const auto& each : matches) {
      if (!each.address.contains(destination)) continue;
      expected_address = true;
      if (each.protocol == protocol && each.first_port <= number && number <= each.last_port) {
        expected = each.service;
      }
    }
    RC_ASSERT(table->find(destination, port(number), protocol) == expected);
    RC_ASSERT(table->has_address(destination) == expected_address);
  }
}

}  // namespace
}  // namespace sluice::lb
