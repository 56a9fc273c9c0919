// Which ways of answers are remembered, and for how long.
#include "dataplane/forward/client_ways.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice::dataplane {
namespace {

ClientWay way_to(const char* next_hop, uint8_t port, uint32_t version, uint64_t generation) {
  ClientWay way;
  way.version = version;
  way.generation = generation;
  way.next_hop = *IpAddress::parse(next_hop);
  way.link.port = port;
  return way;
}

TEST(ClientWays, AreFoundByTheirNumbersInTheirVersionAlone) {
  ClientWays ways;
  EXPECT_EQ(ways.find(0, 7), nullptr);
  const uint32_t number = ways.keep(way_to("192.0.2.1", 3, 7, 1));
  ASSERT_NE(number, 0u);
  ASSERT_NE(ways.find(number, 7), nullptr);
  EXPECT_EQ(ways.find(number, 7)->link.port, 3);
  EXPECT_EQ(ways.find(number, 8), nullptr);
  EXPECT_EQ(ways.find(number + ClientWays::kPlaces, 7), nullptr);
  EXPECT_EQ(ways.find(0, 7), nullptr);
}

TEST(ClientWays, KeepTheirNumbersUntilTablesChange) {
  ClientWays ways;
  const uint32_t number = ways.keep(way_to("2001:db8::1", 3, 7, 1));
  EXPECT_EQ(ways.keep(way_to("2001:db8::1", 3, 8, 1)), number);
  EXPECT_NE(ways.find(number, 8), nullptr);
  const uint32_t by_other_tables = ways.keep(way_to("2001:db8::1", 3, 9, 2));
  EXPECT_NE(by_other_tables, number);
  EXPECT_EQ(ways.find(number, 9), nullptr) << "these flows' routes may lead elsewhere now";
  EXPECT_NE(ways.keep(way_to("2001:db8::1", 4, 10, 2)), by_other_tables) << "another port";
}

TEST(ClientWays, TakeNoPlaceFromOthersOfTheirVersion) {
  ClientWays ways;
  std::map<uint32_t, std::string> kept;
  unsigned refused = 0;
  for (unsigned i = 1; i <= 200; ++i) {
    const std::string next_hop = "192.0.2." + std::to_string(i);
    const uint32_t number = ways.keep(way_to(next_hop.c_str(), 0, 7, 1));
    number != 0 ? void(kept[number] = next_hop) : void(++refused);
  }
  EXPECT_EQ(kept.size() + refused, 200u);
  EXPECT_GT(kept.size(), 40u);
  EXPECT_LE(kept.size(), ClientWays::kPlaces);
  for (const auto& [number, next_hop] : kept) {
    ASSERT_NE(ways.find(number, 7), nullptr);
    EXPECT_EQ(ways.find(number, 7)->next_hop.to_string(), next_hop);
  }
}

/// Beside a map of who was given which number: none ever means two next hops.
TEST(ClientWays, NeverGiveANumberTwice) {
  ClientWays ways;
  std::mt19937 random(3);
  std::map<uint32_t, std::pair<std::string, uint64_t>> given;
  uint32_t version = 1;
  uint64_t generation = 1;
  for (unsigned round = 0; round < 20'000; ++round) {
    if (random() % 50 == 0) ++version;
    if (random() % 500 == 0) ++generation, ++version;
    const std::string next_hop = "192.0.2." + std::to_string(random() % 200);
    const uint32_t number = ways.keep(way_to(next_hop.c_str(), 0, version, generation));
    if (number == 0) continue;
    const auto [known, is_new] = given.try_emplace(number, next_hop, generation);
    ASSERT_EQ(known->second, std::pair(next_hop, generation));
    ASSERT_EQ(ways.find(number, version)->next_hop.to_string(), next_hop);
  }
  EXPECT_GT(given.size(), 1000u);
}

}  // namespace
}  // namespace sluice::dataplane
