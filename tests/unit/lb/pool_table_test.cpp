#include "lb/pool_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/naive_maglev.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

const std::vector<WeightedEndpoint> kUnsorted = {{endpoint("2001:db8::7", 80), 1, 30},
                                                 {endpoint("192.0.2.9", 80), 2, 10},
                                                 {endpoint("192.0.2.10", 8080), 1, 20},
                                                 {endpoint("192.0.2.10", 80), 1, 25}};

TEST(PoolTable, SortsItsCandidatesByEndpoint) {
  const auto table = PoolTable::build(7, kUnsorted, 251, kKey, {});
  EXPECT_EQ(table->index(), 7u);
  EXPECT_FALSE(table->empty());
  std::vector<BackendId> order;
  for (const auto& candidate : table->candidates()) order.push_back(candidate.id);
  // IPv4 is mapped, ::ffff:192.0.2.9, and sorts before 2001:db8::7.
  EXPECT_EQ(order, (std::vector<BackendId>{10, 25, 20, 30}));
}

TEST(PoolTable, HoldsTheMaglevSlotsAndTheScheduleOnDemand) {
  const auto plain = PoolTable::build(0, kUnsorted, 251, kKey, {});
  const auto expected = test::naive_maglev(kUnsorted, 251, kKey);
  EXPECT_TRUE(std::equal(plain->slots().begin(), plain->slots().end(), expected.begin(), expected.end()));
  EXPECT_TRUE(plain->schedule().empty());
  const auto scheduled = PoolTable::build(0, kUnsorted, 251, kKey, {.schedule = true});
  EXPECT_EQ(scheduled->schedule().size(), 5u);
}

TEST(PoolTable, CountsTheSlotsOfEachCandidate) {
  auto far_apart = kUnsorted;
  far_apart[0].id = 1'000'000;
  for (const auto& backends : {kUnsorted, far_apart}) {
    const auto table = PoolTable::build(0, backends, 251, kKey, {});
    ASSERT_EQ(table->slot_counts().size(), backends.size());
    for (size_t i = 0; i < backends.size(); ++i) {
      const auto& slots = table->slots();
      EXPECT_EQ(table->slot_counts()[i], std::count(slots.begin(), slots.end(), table->candidates()[i].id));
    }
  }
  EXPECT_TRUE(PoolTable::build(0, {}, 251, kKey, {})->slot_counts().empty());
}

TEST(PoolTable, IsEmptyWithoutEligibleBackends) {
  const auto table = PoolTable::build(0, {}, 251, kKey, {.schedule = true});
  EXPECT_TRUE(table->empty());
  EXPECT_TRUE(table->slots().empty());
  EXPECT_TRUE(table->schedule().empty());
}

}  // namespace
}  // namespace sluice::lb
