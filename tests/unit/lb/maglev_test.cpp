#include "lb/maglev.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/support/naive_maglev.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

using test::naive_maglev;

TEST(MaglevTableSize, IsTheFirstPrimeOfAHundredTimesTheBackends) {
  EXPECT_EQ(maglev_table_size(0), 65537u);
  EXPECT_EQ(maglev_table_size(655), 65537u);
  EXPECT_EQ(maglev_table_size(656), 131101u);
  EXPECT_EQ(maglev_table_size(1311), 131101u);
  EXPECT_EQ(maglev_table_size(1312), 262147u);
  EXPECT_EQ(maglev_table_size(5243), 524309u);
  EXPECT_EQ(maglev_table_size(5244), 1048583u);
  EXPECT_EQ(maglev_table_size(1'000'000), 1048583u);
}

// The two golden tables come from an implementation in Python that shares nothing with this one.
TEST(BuildMaglev, GivesTheTableOfTheReferenceImplementation) {
  const std::vector<WeightedEndpoint> backends = {{endpoint("10.20.0.11", 8080), 1, 0},
                                                  {endpoint("10.20.0.12", 8080), 2, 1},
                                                  {endpoint("10.20.0.12", 80), 3, 2},
                                                  {endpoint("2001:db8::1", 0), 7, 3},
                                                  {endpoint("9.255.255.255", 65535), 5, 4}};
  std::string slots;
  for (const BackendId id : build_maglev(backends, 251, kKey)) slots += static_cast<char>('0' + id);
  EXPECT_EQ(slots,
            "323434243343424124343430124343234304343424334341013431241223434321433432341333434242333024"
            "043332434433343444213343414333342423333241413323340233334342433204242333324243332114143133"
            "11413312314433210242433323244332342443333012043324340232134120133104104");
}

TEST(BuildMaglev, GivesTheBigTableOfTheReferenceImplementation) {
  std::vector<WeightedEndpoint> backends;
  for (uint32_t i = 0; i < 300; ++i) {
    const std::string text = "198.18." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    backends.push_back({endpoint(text, 8000 + i % 3, IpProtocol::kUdp), 1 + i % 4, i});
  }
  uint64_t fnv1a = 0xcbf29ce484222325;
  for (const BackendId id : build_maglev(backends, 65537, kKey)) {
    for (unsigned shift = 0; shift < 32; shift += 8) fnv1a = (fnv1a ^ (id >> shift & 0xff)) * 0x100000001b3;
  }
  EXPECT_EQ(fnv1a, 0xea068d80cefad4ecu);
}

TEST(BuildMaglev, IsEmptyWithoutBackends) {
  EXPECT_TRUE(build_maglev({}, 65537, kKey).empty());
}

TEST(BuildMaglev, GivesOneBackendEverySlot) {
  const auto slots = build_maglev(many_endpoints(1, 65535), 65537, kKey);
  EXPECT_EQ(slots, std::vector<BackendId>(65537, 0));
}

TEST(BuildMaglev, AgreesWithTheRuleOnBigTables) {
  EXPECT_EQ(build_maglev(many_endpoints(600), 65537, kKey), naive_maglev(many_endpoints(600), 65537, kKey));
  EXPECT_EQ(build_maglev(many_endpoints(1000), 131101, kKey),
            naive_maglev(many_endpoints(1000), 131101, kKey));
}

TEST(BuildMaglev, AgreesWithTheRuleBeyondTheSizesThatPoolsGetByThemselves) {
  auto backends = many_endpoints(2);
  backends[0].weight = 100;  // few collisions, or the oracle takes seconds
  EXPECT_EQ(build_maglev(backends, 2642257, kKey), naive_maglev(backends, 2642257, kKey));
}

TEST(BuildMaglev, AgreesWithTheRuleOnTheMostUnevenWeights) {
  auto backends = many_endpoints(100);
  backends[40].weight = 65535;
  EXPECT_EQ(build_maglev(backends, 65537, kKey), naive_maglev(backends, 65537, kKey));
  for (uint32_t i = 0; i < backends.size(); ++i) backends[i].weight = 1 + i * 661;
  EXPECT_EQ(build_maglev(backends, 65537, kKey), naive_maglev(backends, 65537, kKey));
}

RC_GTEST_PROP(BuildMaglev, AgreesWithTheRule, ()) {
  const auto size = *rc::gen::element<uint32_t>(2, 3, 5, 251, 1021, 4093);
  const auto weights = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint32_t>>(
      rc::gen::oneOf(rc::gen::inRange<uint32_t>(1, 8), rc::gen::inRange<uint32_t>(1, 65536))));
  const SipKey key{*rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint64_t>()};
  auto backends = many_endpoints(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) backends[i].weight = weights[i];
  RC_ASSERT(build_maglev(backends, size, key) == naive_maglev(backends, size, key));
}

RC_GTEST_PROP(BuildMaglev, DoesNotDependOnTheOrderOfBackends, (uint32_t seed)) {
  auto backends = many_endpoints(40);
  for (auto& backend : backends) backend.weight = 1 + backend.id % 7;
  const auto slots = build_maglev(backends, 4093, kKey);
  std::shuffle(backends.begin(), backends.end(), std::minstd_rand(seed));
  RC_ASSERT(build_maglev(backends, 4093, kKey) == slots);
}

TEST(BuildMaglev, SharesSlotsByWeight) {
  auto backends = many_endpoints(10);
  uint32_t sum = 0;
  for (auto& backend : backends) sum += backend.weight = 1 + backend.id;
  std::map<BackendId, double> count;
  for (const BackendId id : build_maglev(backends, 65537, kKey)) ++count[id];
  for (const auto& backend : backends) {
    EXPECT_NEAR(count[backend.id], 65537.0 * backend.weight / sum, 2) << backend.id;
  }
}

TEST(BuildMaglev, DisturbsFewOthersWhenOneOfAHundredGoes) {
  const auto all = many_endpoints(100);
  const auto before = build_maglev(all, maglev_table_size(100), kKey);
  for (const BackendId gone : {0u, 17u, 99u}) {
    auto rest = all;
    rest.erase(rest.begin() + gone);
    const auto after = build_maglev(rest, maglev_table_size(100), kKey);
    size_t others = 0, moved = 0;
    for (size_t slot = 0; slot < before.size(); ++slot) {
      if (before[slot] == gone) continue;
      ++others;
      moved += before[slot] != after[slot];
    }
    EXPECT_LE(static_cast<double>(moved), 0.007 * static_cast<double>(others)) << gone;
  }
}

}  // namespace
}  // namespace sluice::lb
