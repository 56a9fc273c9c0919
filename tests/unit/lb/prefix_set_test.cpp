// Which of many prefixes decides about an address: compared with a walk over all of them.
#include "lb/prefix_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "lb/access_list.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}

uint8_t naive_longest_match(const std::vector<Prefix>& prefixes, const IpAddress& candidate) {
  int longest = -1;
  for (const Prefix& one : prefixes) {
    if (one.contains(candidate)) longest = std::max<int>(longest, one.length);
  }
  return longest < 0 ? PrefixSet::kNoMatch : static_cast<uint8_t>(longest);
}

/// Of either family, from few bits, so that prefixes lie in each other and side by side.
IpAddress any_address() {
  const auto bits = *rc::gen::arbitrary<uint32_t>();
  if (*rc::gen::arbitrary<bool>())
    return IpAddress::v4(Be32::from_host((bits & 0x0303) << 16 | (bits >> 16 & 0x303)));
  std::array<uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
  bytes[*rc::gen::inRange<size_t>(0, 16)] ^= static_cast<uint8_t>(bits);
  bytes[15] = static_cast<uint8_t>(bits >> 8 & 3);
  return IpAddress::v6(bytes.data());
}

Prefix any_prefix() {
  const IpAddress address = any_address();
  const auto length = static_cast<uint8_t>(*rc::gen::inRange(0, address.is_v4() ? 33 : 129));
  return Prefix{address, length}.network();
}

RC_GTEST_PROP(PrefixSet, FindsTheLongestOfThePrefixesThatHoldAnAddress, ()) {
  std::vector<Prefix> prefixes(*rc::gen::inRange<size_t>(0, 40));
  for (Prefix& one : prefixes) one = any_prefix();
  const auto set = PrefixSet::build(prefixes);
  auto different = prefixes;
  std::ranges::sort(different);
  different.erase(std::unique(different.begin(), different.end()), different.end());
  RC_ASSERT(set->size() == different.size());
  std::vector<IpAddress> candidates;
  for (int i = 0; i < 50; ++i) candidates.push_back(any_address());
  for (const Prefix& one : prefixes) candidates.push_back(one.address);
  for (const IpAddress& candidate : candidates) {
    RC_ASSERT(set->longest_match(candidate) == naive_longest_match(prefixes, candidate));
  }
}

TEST(PrefixSet, HoldsAMillionPrefixesAndTheEndsOfBothFamilies) {
  std::vector<Prefix> prefixes;
  for (uint32_t i = 0; i < 1'000'000; ++i) {
    prefixes.push_back({IpAddress::v4(Be32::from_host(i * 4211)), static_cast<uint8_t>(32)});
  }
  prefixes.push_back(prefix("255.255.255.255/32"));
  prefixes.push_back(prefix("ffff::/16"));
  prefixes.push_back(prefix("::/0"));
  const auto set = PrefixSet::build(prefixes);
  EXPECT_EQ(set->size(), 1'000'003u);
  for (uint32_t i = 0; i < 1'000'000; i += 997) {
    EXPECT_EQ(set->longest_match(IpAddress::v4(Be32::from_host(i * 4211))), 32);
    EXPECT_EQ(set->longest_match(IpAddress::v4(Be32::from_host(i * 4211 + 1))), PrefixSet::kNoMatch);
  }
  EXPECT_EQ(set->longest_match(address("255.255.255.255")), 32);
  EXPECT_EQ(set->longest_match(address("255.255.255.254")), PrefixSet::kNoMatch);
  EXPECT_EQ(set->longest_match(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), 16);
  EXPECT_EQ(set->longest_match(address("::")), 0);
}

TEST(PrefixSet, HoldsNothingWhereItIsEmpty) {
  const auto set = PrefixSet::build({});
  EXPECT_EQ(set->size(), 0u);
  EXPECT_EQ(set->longest_match(address("192.0.2.1")), PrefixSet::kNoMatch);
  EXPECT_EQ(set->longest_match(address("2001:db8::1")), PrefixSet::kNoMatch);
}

AccessList list(std::vector<Prefix> allow, std::vector<Prefix> deny) {
  const bool admits_others = allow.empty();
  return AccessList(
      {{PrefixSet::build(std::move(allow)), true, 0}, {PrefixSet::build(std::move(deny)), false, 1}},
      admits_others);
}

TEST(AccessList, LetsTheLongestMatchOfBothListsDecide) {
  const AccessList access = list({prefix("198.51.100.0/24"), prefix("198.51.100.16/30")},
                                 {prefix("198.51.100.16/28"), prefix("0.0.0.0/0")});
  EXPECT_TRUE(access.admits(address("198.51.100.1")));
  EXPECT_FALSE(access.admits(address("198.51.100.20")));
  EXPECT_TRUE(access.admits(address("198.51.100.17")));
  EXPECT_FALSE(access.admits(address("192.0.2.1")));
  const AccessList::Verdict verdict = access.judge(address("198.51.100.20"));
  EXPECT_EQ(verdict.length, 28);
  EXPECT_EQ(verdict.index, 1u);
}

TEST(AccessList, DeniesAtATie) {
  const AccessList access = list({prefix("192.0.2.0/24")}, {prefix("192.0.2.0/24")});
  EXPECT_FALSE(access.admits(address("192.0.2.1")));
}

TEST(AccessList, AdmitsWhoIsNotDeniedUnlessSomebodyIsAllowed) {
  EXPECT_TRUE(list({}, {prefix("192.0.2.0/24")}).admits(address("203.0.113.1")));
  EXPECT_FALSE(list({prefix("192.0.2.0/24")}, {}).admits(address("203.0.113.1")));
  EXPECT_FALSE(list({prefix("192.0.2.0/24")}, {}).admits(address("2001:db8::1")));
}

}  // namespace
}  // namespace sluice::lb
