#include "dataplane/neighbor_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace sluice::dataplane {
namespace {

IpAddress address(unsigned number) {
  return IpAddress::v4(Be32::from_host(0xc0000200u + number));  // from 192.0.2.0 on
}

class NeighborCacheTest : public testing::Test {
 protected:
  NeighborEntry* insert(uint16_t port, unsigned number, uint32_t now_ms = 0) {
    return cache_.insert(port, address(number), now_ms, drops_);
  }

  WorkerStats stats_;
  Drops drops_{stats_};
  NeighborCache cache_{64};
};

TEST_F(NeighborCacheTest, FindsWhatAMapFinds) {
  std::map<std::pair<uint16_t, unsigned>, NeighborEntry*> twin;
  for (unsigned step = 0; step < 2000; ++step) {
    const auto port = static_cast<uint16_t>(step * 7 % 3);
    const unsigned number = step * 13 % 17;
    const auto known = twin.find({port, number});
    NeighborEntry* const found = cache_.find(port, address(number));
    ASSERT_EQ(found, known == twin.end() ? nullptr : known->second) << "step " << step;
    if (found == nullptr) {
      twin[{port, number}] = insert(port, number);
    } else if (step % 5 == 0) {
      cache_.erase(*found, drops_);
      twin.erase(known);
    }
    ASSERT_EQ(cache_.size(), twin.size());
  }
}

TEST_F(NeighborCacheTest, LetsTheLongestUnusedGiveWay) {
  for (unsigned i = 0; i < 64; ++i) ASSERT_NE(insert(0, i, 1000 + i), nullptr);
  EXPECT_EQ(cache_.size(), 64u);
  ASSERT_NE(insert(0, 100, 5000), nullptr);
  EXPECT_EQ(cache_.size(), 64u);
  EXPECT_EQ(cache_.find(0, address(0)), nullptr) << "the oldest, among the first that are looked at";
  EXPECT_NE(cache_.find(0, address(100)), nullptr);
  EXPECT_NE(cache_.find(0, address(1)), nullptr);
}

TEST_F(NeighborCacheTest, NeverEvictsStaticEntries) {
  for (unsigned i = 0; i < 64; ++i) {
    insert(0, i)->record.write({0, address(i), MacAddress{{2, 0, 0, 0, 0, 1}}, NeighborState::kStatic});
  }
  EXPECT_EQ(insert(0, 100), nullptr);
  EXPECT_EQ(cache_.size(), 64u);
}

}  // namespace
}  // namespace sluice::dataplane
