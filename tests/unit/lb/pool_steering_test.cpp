#include "lb/pool_steering.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <string>

#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

using Shares = std::vector<PoolSplit::Share>;

Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}

/// The rule's own words.
uint32_t naive_place(const Shares& shares, uint64_t hash) {
  unsigned __int128 total = 0, reached = 0;
  for (const auto& share : shares) total += share.weight;
  for (uint32_t i = 0;; ++i) {
    reached += shares[i].weight;
    if (reached > static_cast<unsigned __int128>(hash >> 32) * total >> 32) return i;
  }
}

TEST(PoolSplit, GivesEachItsShareByTheRule) {
  EXPECT_TRUE(rc::check([] {
    const auto weights =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(0, 65536)));
    Shares shares;
    for (uint32_t i = 0; i < weights.size(); ++i) shares.push_back({i, weights[i]});
    RC_PRE(std::ranges::any_of(weights, [](uint32_t weight) { return weight > 0; }));
    const PoolSplit split(shares);
    for (const uint64_t hash : {uint64_t{0}, UINT64_MAX, *rc::gen::arbitrary<uint64_t>()}) {
      const uint32_t place = split.place_of(hash);
      RC_ASSERT(place == naive_place(shares, hash));
      RC_ASSERT(shares[place].weight > 0u);
    }
  }));
}

TEST(PoolSplit, AnotherWeightMovesOnlyWhatItHasTo) {
  const PoolSplit before({{0, 90}, {1, 10}}), after({{0, 80}, {1, 20}});
  unsigned moved = 0, back = 0;
  constexpr unsigned kHashes = 100'000;
  for (uint64_t i = 0; i < kHashes; ++i) {
    const uint64_t hash = siphash24(kKey, &i, sizeof i);
    moved += before.place_of(hash) == 0 && after.place_of(hash) == 1;
    back += before.place_of(hash) == 1 && after.place_of(hash) == 0;
  }
  EXPECT_NEAR(moved, kHashes / 10.0, 500);
  EXPECT_EQ(back, 0u);
}

// The places come from tests/support/steering.py.
TEST(PoolSteering, HashesTheFlowOrTheSourceAloneAsThePolicyDoes) {
  const PoolSteering steering({}, PoolSplit({{0, 90}, {1, 10}, {2, 0}, {3, 28}}), true);
  std::string by_flow, by_source;
  for (unsigned i = 0; i < 16; ++i) {
    const FlowKey key = flow_key("192.0.2." + std::to_string(i), 40000 + i, "203.0.113.10", 80);
    by_flow += std::to_string(steering.choose(key, Policy::kMaglev, kKey).pool);
    by_source += std::to_string(steering.choose(key, Policy::kSourceHash, kKey).pool);
    EXPECT_EQ(steering.choose(key, Policy::kRandom, kKey).pool,
              steering.choose(key, Policy::kMaglev, kKey).pool);
  }
  EXPECT_EQ(by_flow, "3000000000300003");
  EXPECT_EQ(by_source, "0000003001000000");
}

TEST(PoolSteering, TheFirstRouteThatMatchesCounts) {
  const PoolSteering steering(
      {{{prefix("198.51.100.0/24"), prefix("2001:db8:1::/48")}, PoolSplit({{5, 1}})},
       {{prefix("198.51.100.7"), prefix("0.0.0.0/0")}, PoolSplit({{6, 1}, {7, 1}}), true}},
      PoolSplit({{4, 1}}), false);
  const auto choose = [&](const char* source, const char* destination) {
    return steering.choose(flow_key(source, 1, destination, 80), Policy::kMaglev, kKey);
  };
  const PoolChoice first = choose("198.51.100.7", "203.0.113.10");
  EXPECT_EQ(first.pool, 5u);
  EXPECT_EQ(first.route, 0u);
  EXPECT_EQ(first.matched, prefix("198.51.100.0/24"));
  EXPECT_EQ(first.share, PoolChoice::kNone);
  const PoolChoice second = choose("198.51.101.0", "203.0.113.10");
  EXPECT_EQ(second.route, 1u);
  EXPECT_EQ(second.matched, prefix("0.0.0.0/0"));
  EXPECT_EQ(second.pool, 6u + second.share);
  EXPECT_EQ(choose("2001:db8:1:ffff::1", "2001:db8::1").pool, 5u);
  EXPECT_EQ(choose("2001:db8:2::", "2001:db8::1").pool, 4u);  // 0.0.0.0/0 is IPv4 alone
  EXPECT_EQ(choose("2001:db8:2::", "2001:db8::1").route, PoolChoice::kNone);
  EXPECT_TRUE(std::ranges::equal(steering.pools(), std::vector<uint32_t>{4, 5, 6, 7}));
}

TEST(PoolSteering, FindsWhatALookAtEachRouteFinds) {
  const auto any_prefix = [] {
    const bool v4 = *rc::gen::arbitrary<bool>();
    const auto length = static_cast<uint8_t>(*rc::gen::inRange(0, v4 ? 33 : 129));
    // Few addresses, so that prefixes lie in each other.
    std::string text = v4 ? "10.0." : "fd00::";
    text += v4 ? std::to_string(*rc::gen::inRange(0, 4)) + "." : "";
    text += std::to_string(*rc::gen::inRange(0, 10));
    return Prefix{address(text), length}.network();
  };
  EXPECT_TRUE(rc::check([&] {
    std::vector<PoolSteering::Route> routes;
    const auto count = *rc::gen::inRange<uint32_t>(0, 8);
    for (uint32_t i = 0; i < count; ++i) {
      routes.push_back({{any_prefix(), any_prefix(), any_prefix()}, PoolSplit({{i + 1, 1}})});
    }
    const PoolSteering steering(routes, PoolSplit({{0, 1}}), false);
    for (int i = 0; i < 50; ++i) {
      const IpAddress source = any_prefix().address;
      FlowKey key{source, source, port(1), port(2), IpProtocol::kUdp, {}};
      const auto found = std::ranges::find_if(routes, [&](const auto& route) {
        return std::ranges::any_of(route.sources, [&](const Prefix& p) { return p.contains(source); });
      });
      const auto route = static_cast<uint32_t>(found - routes.begin());
      const PoolChoice choice = steering.choose(key, Policy::kMaglev, kKey);
      RC_ASSERT(choice.pool == (found == routes.end() ? 0 : route + 1));
      RC_ASSERT(choice.route == (found == routes.end() ? PoolChoice::kNone : route));
      if (found != routes.end()) RC_ASSERT(choice.matched.contains(source));
    }
  }));
}

}  // namespace
}  // namespace sluice::lb
