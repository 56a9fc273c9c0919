#include "ledger/position_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace sluice::ledger {
namespace {

/// A table beside a map of what is in it. Few hashes have a home of their own, so that buckets overflow.
TEST(PositionTable, FindsWhatAMapHas) {
  for (const uint64_t positions : {1u, 2u, 40u, 500u, 4096u}) {
    std::vector<BucketWords> buckets(PositionTable::buckets_for(positions));
    for (BucketWords& bucket : buckets) bucket.fill(0xabcd);  // stale
    PositionTable table(buckets, positions);
    table.clear();
    std::map<uint32_t, uint64_t> hashes;  // by position
    std::mt19937_64 random(positions);
    const auto any_hash = [&] { return random() % 16 == 0 ? random() : random() % 5 << 62 | random() % 20; };
    const auto find = [&](uint64_t hash) {
      return table.find(table.home_of(hash), [&](uint32_t at) { return hashes.at(at) == hash; });
    };
    const auto knows = [&](uint64_t hash) {
      return std::ranges::any_of(hashes, [&](const auto& entry) { return entry.second == hash; });
    };
    for (int step = 0; step < 6000; ++step) {
      const uint64_t hash = any_hash();
      const auto found = find(hash);
      ASSERT_EQ(found.has_value(), knows(hash)) << step;
      if (found) {
        ASSERT_EQ(hashes.at(*found), hash);
      }
      const auto position = static_cast<uint32_t>(random() % positions);
      const auto known = hashes.find(position);
      if (known == hashes.end()) {
        table.insert(table.home_of(hash), position);
        hashes[position] = hash;
      } else if (random() % 2 == 0) {
        table.remove(table.home_of(known->second), position);
        hashes.erase(known);
      }
    }
    for (const auto& [position, hash] : hashes) table.remove(table.home_of(hash), position);
    for (const BucketWords& bucket : buckets) EXPECT_EQ(bucket, BucketWords{}) << "nothing is left behind";
  }
}

TEST(PositionTableDeathTest, EndsTheProcessWhereItLacksWhatLeaves) {
  std::vector<BucketWords> buckets(PositionTable::buckets_for(10));
  PositionTable table(buckets, 10);
  table.clear();
  EXPECT_EXIT(table.remove(table.home_of(1), 1), testing::KilledBySignal(SIGABRT),
              "in the bucket of its home");
}

}  // namespace
}  // namespace sluice::ledger
