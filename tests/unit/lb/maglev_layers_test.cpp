#include "lb/maglev_layers.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/support/naive_maglev.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

using Slots = std::vector<BackendId>;

/// Backends of these whole weights, each of which has so many tenths; who has none is not there.
Slots table_of(const std::vector<uint32_t>& weights, const std::vector<uint8_t>& tenths, uint32_t size) {
  std::vector<WeightedEndpoint> backends = many_endpoints(weights.size());
  for (size_t i = 0; i < backends.size(); ++i) {
    backends[i].tenths = tenths[i];
    backends[i].weight = weights[i] * tenths[i];
  }
  std::erase_if(backends, [](const WeightedEndpoint& backend) { return backend.tenths == 0; });
  return build_layered_maglev(backends, size, kKey);
}

std::map<BackendId, double> count(const Slots& slots) {
  std::map<BackendId, double> counts;
  for (const BackendId id : slots) ++counts[id];
  return counts;
}

/// Slots that went from one backend to another, neither of which is `steps`.
size_t moved_between_others(const Slots& before, const Slots& after, BackendId steps) {
  size_t moved = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    moved += before[i] != after[i] && before[i] != steps && after[i] != steps;
  }
  return moved;
}

TEST(BuildLayeredMaglev, IsThePlainTableWhereNobodyIsBehind) {
  EXPECT_TRUE(build_layered_maglev({}, 251, kKey).empty());
  for (const uint8_t tenths : {uint8_t{10}, uint8_t{3}}) {
    const auto slots = table_of({3, 1, 2}, {tenths, tenths, tenths}, 251);
    auto whole = many_endpoints(3);
    whole[0].weight = 3;
    whole[2].weight = 2;
    EXPECT_EQ(slots, test::naive_maglev(whole, 251, kKey));
  }
}

RC_GTEST_PROP(BuildLayeredMaglev, AgreesWithTheRule, (uint32_t seed)) {
  const auto size = *rc::gen::element<uint32_t>(5, 251, 1021);
  const auto weights =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(1, 8)));
  auto backends = many_endpoints(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    backends[i].tenths = *rc::gen::element<uint8_t>(1, 2, 5, 9, 10);
    backends[i].weight = weights[i] * backends[i].tenths;
  }
  const auto expected = test::naive_layered_maglev(backends, size, kKey);
  std::shuffle(backends.begin(), backends.end(), std::minstd_rand(seed));
  RC_ASSERT(build_layered_maglev(backends, size, kKey) == expected);
}

/// From its absence to its whole weight: the figures, a tenth of the formula and a thousandth of the
/// slots.
TEST(BuildLayeredMaglev, EachStepGivesAShareAndMovesHardlyAnythingElse) {
  for (const uint32_t others : {1, 2, 4, 7, 19, 40, 100, 300, 600}) {
    std::vector<uint32_t> weights(others + 1, 1);
    std::vector<uint8_t> tenths(others + 1, kWholeWeight);
    tenths[0] = 0;
    Slots before = table_of(weights, tenths, 65'537);
    for (uint8_t step = 1; step <= kWholeWeight; ++step) {
      tenths[0] = step;
      const Slots slots = table_of(weights, tenths, 65'537);
      const double formula = 65'537.0 * step / (10.0 * others + step);
      EXPECT_NEAR(count(slots)[0], formula, formula / 1000 + 1) << others << " others, " << int{step};
      EXPECT_LE(moved_between_others(before, slots, 0), 65u) << others << " others, " << int{step};
      before = slots;
    }
    EXPECT_EQ(before, test::naive_maglev(many_endpoints(others + 1), 65'537, kKey));
  }
}

TEST(BuildLayeredMaglev, SharesSlotsByWeightWhileSeveralStart) {
  const std::vector<uint32_t> weights = {5, 1, 2, 10, 3, 1, 4, 2};
  std::vector<uint8_t> tenths = {10, 10, 10, 10, 1, 4, 4, 9};
  for (; tenths[4] <= kWholeWeight; ++tenths[4]) {
    auto counts = count(table_of(weights, tenths, 65'537));
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * tenths[i];
    for (BackendId i = 0; i < weights.size(); ++i) {
      const double formula = 65'537 * weights[i] * tenths[i] / sum;
      EXPECT_NEAR(counts[i] / formula, 1, 0.02) << i << " at " << int{tenths[4]};
    }
  }
}

}  // namespace
}  // namespace sluice::lb
