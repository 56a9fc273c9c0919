#include "ctrl/intent/service_overlap.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice::ctrl {
namespace {

using lb::ServiceMatch;

/// Two matches overlap where some packet fits both: addresses bit by bit, ports and protocol.
bool naive_overlap(const ServiceMatch& a, const ServiceMatch& b) {
  if (a.protocol != b.protocol || a.first_port > b.last_port || b.first_port > a.last_port) return false;
  if (a.address.address.is_v4() != b.address.address.is_v4()) return false;
  const unsigned skipped = a.address.address.is_v4() ? 96 : 0;
  const unsigned common = std::min(a.address.length, b.address.length);
  for (unsigned bit = skipped; bit < skipped + common; ++bit) {
    const auto bit_of = [&](const ServiceMatch& m) {
      return m.address.address.bytes()[bit / 8] >> (7 - bit % 8) & 1;
    };
    if (bit_of(a) != bit_of(b)) return false;
  }
  return true;
}

ServiceMatch random_match(std::mt19937& random) {
  ServiceMatch match;
  const bool v4 = random() % 2;
  const std::string address =
      v4 ? "10.0." + std::to_string(random() % 4) + "." + std::to_string(random() % 4)
         : "2001:db8::" + std::to_string(random() % 4) + ":" + std::to_string(random() % 4);
  const uint8_t width = v4 ? 32 : 128;
  const auto length = static_cast<uint8_t>(random() % 3 == 0 ? width - random() % 20 : width);
  match.address = Prefix{*IpAddress::parse(address), length}.network();
  match.first_port = static_cast<uint16_t>(random() % 40);
  match.last_port = static_cast<uint16_t>(match.first_port + random() % 8);
  match.protocol = random() % 2 ? IpProtocol::kTcp : IpProtocol::kUdp;
  return match;
}

TEST(FindOverlaps, AgreesWithComparingEveryPair) {
  std::mt19937 random(7);
  int with_overlap = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<ServiceMatch> matches;
    for (unsigned count = 1 + random() % 12; count-- > 0;) matches.push_back(random_match(random));
    bool any = false;
    for (size_t a = 0; a < matches.size(); ++a) {
      for (size_t b = a + 1; b < matches.size(); ++b) any |= naive_overlap(matches[a], matches[b]);
    }
    const auto overlaps = find_overlaps(matches);
    EXPECT_EQ(!overlaps.empty(), any);
    for (const Overlap& overlap : overlaps) {
      EXPECT_LT(overlap.earlier, overlap.later);
      EXPECT_TRUE(naive_overlap(matches[overlap.earlier], matches[overlap.later]));
    }
    with_overlap += any;
  }
  EXPECT_GT(with_overlap, 200);
  EXPECT_LT(with_overlap, 1800);
}

TEST(FindOverlaps, CopesWithManyServicesInOnePrefix) {
  std::vector<ServiceMatch> matches;
  for (unsigned port = 1; port <= 60000; ++port) {
    matches.push_back({*Prefix::parse("203.0.113.0/24"), static_cast<uint16_t>(port),
                       static_cast<uint16_t>(port), IpProtocol::kTcp});
  }
  EXPECT_TRUE(find_overlaps(matches).empty());
  matches.push_back({*Prefix::parse("203.0.113.7"), 59999, 61000, IpProtocol::kTcp});
  ASSERT_EQ(find_overlaps(matches).size(), 1u);
  EXPECT_EQ(find_overlaps(matches)[0].later, 60000u);
}

}  // namespace
}  // namespace sluice::ctrl
