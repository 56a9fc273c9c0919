#include "ctrl/store/target_totals.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::ctrl {
namespace {

/// What workers count, which only goes up.
struct Counters {
  std::map<uint32_t, Totals> by_number;
  void count(uint32_t number, uint64_t packets) { by_number[number].packets += packets; }
  Totals operator()(uint32_t number) const {
    const auto found = by_number.find(number);
    return found == by_number.end() ? Totals{} : found->second;
  }
};

TEST(TargetTotals, GoesOnWhenANameGetsAnotherNumber) {
  Counters counters;
  TargetTotals<std::string> totals;
  counters.count(1, 10);
  totals.retire("web", 1);
  counters.count(2, 5);
  counters.count(1, 1);  // a packet that was on its way
  EXPECT_EQ(totals.of("web", 2, counters).packets, 16u);
  totals.collect("web", 1, true, counters(1));
  EXPECT_EQ(totals.of("web", 2, counters).packets, 16u);
}

TEST(TargetTotals, StartsFromZeroForAnotherName) {
  Counters counters;
  TargetTotals<std::string> totals;
  counters.count(1, 10);
  totals.retire("web", 1);
  totals.collect("web", 1, false, counters(1));
  counters.count(1, 3);
  EXPECT_EQ(totals.of("dns", 1, counters).packets, 3u);
  EXPECT_EQ(totals.of("web", std::nullopt, counters).packets, 0u);  // forgotten with its configuration
}

TEST(TargetTotals, AddsUpOverARoundTripOfOneNumber) {
  Counters counters;
  TargetTotals<std::string> totals;
  counters.count(1, 10);
  totals.retire("web", 1);
  totals.collect("web", 1, true, counters(1));
  counters.count(1, 7);  // given to web again
  EXPECT_EQ(totals.of("web", 1, counters).packets, 17u);
}

TEST(TargetTotals, CountsOnceWhatSomebodyStillTakesForLive) {
  Counters counters;
  TargetTotals<std::string> totals;
  counters.count(1, 10);
  totals.retire("web", 1);
  EXPECT_EQ(totals.of("web", 1, counters).packets, 10u);
  totals.collect("web", 1, true, counters(1));
  EXPECT_EQ(totals.of("web", 1, counters).packets, 10u);
}

}  // namespace
}  // namespace sluice::ctrl
