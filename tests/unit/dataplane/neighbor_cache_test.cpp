#include "dataplane/neighbor/neighbor_cache.h"

#include <gtest/gtest.h>
#include <nmmintrin.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

namespace sluice::dataplane {
namespace {

IpAddress address(unsigned number) {
  return IpAddress::v4(Be32::from_host(0xc0000200u + number));  // from 192.0.2.0 on
}

constexpr MacAddress kMac{{2, 0, 0, 0, 0, 1}};

class NeighborCacheTest : public testing::Test {
 protected:
  NeighborEntry* insert(uint16_t port, unsigned number, uint32_t now_ms = 0) {
    return cache_.insert(port, address(number), false, now_ms, drops_);
  }

  NeighborEntry* resolve(NeighborEntry* entry, uint16_t port, unsigned number, uint32_t now_ms = 0) {
    if (entry == nullptr) return nullptr;
    entry->record.write({port, address(number), kMac, NeighborState::kReachable});
    cache_.settle(*entry, now_ms, drops_);
    return entry;
  }

  WorkerStats stats_;
  Drops drops_{stats_};
  NeighborCache cache_{0x5eed, 64};
};

/// How many entries a search in the fullest bucket looks at.
unsigned longest_chain(const NeighborCache& cache) {
  unsigned longest = 0;
  for (uint32_t first = 0; first < cache.touched(); ++first) {
    if (cache.at(first).record.own().state == NeighborState::kFree) continue;
    unsigned length = 0;
    for (uint32_t i = first; i != NeighborCache::kNone; i = cache.at(i).next) ++length;
    longest = std::max(longest, length);
  }
  return longest;
}

TEST_F(NeighborCacheTest, FindsWhatAMapFinds) {
  std::map<std::pair<uint16_t, unsigned>, NeighborEntry*> twin;
  for (unsigned step = 0; step < 2000; ++step) {
    const auto port = static_cast<uint16_t>(step * 7 % 3);
    const unsigned number = step * 13 % 17;
    const auto known = twin.find({port, number});
    NeighborEntry* const found = cache_.find(port, address(number));
    ASSERT_EQ(found, known == twin.end() ? nullptr : known->second) << "step " << step;
    if (found == nullptr) {
      twin[{port, number}] = resolve(insert(port, number), port, number);
    } else if (step % 5 == 0) {
      cache_.erase(*found, drops_);
      twin.erase(known);
    }
    ASSERT_EQ(cache_.size(), twin.size());
  }
}

TEST_F(NeighborCacheTest, LetsTheUnresolvedGiveWayFirst) {
  const unsigned most = cache_.most_unresolved();
  for (unsigned i = 0; i < 30; ++i) resolve(insert(0, i, 1000 + i), 0, i);
  for (unsigned i = 100; i < 1100; ++i) ASSERT_NE(insert(0, i, 2000 + i), nullptr);
  EXPECT_EQ(cache_.size(), 30u + most);
  for (unsigned i = 0; i < 30; ++i) EXPECT_NE(cache_.find(0, address(i)), nullptr) << i;
  for (unsigned i = 1100 - most; i < 1100; ++i) {
    EXPECT_NE(cache_.find(0, address(i)), nullptr) << "the last that were asked for: " << i;
  }
}

TEST_F(NeighborCacheTest, LetsTheLongestUnusedGiveWayToOneThatAnswers) {
  const unsigned most = 64 - cache_.most_unresolved();
  for (unsigned i = 0; i < most; ++i) resolve(insert(0, i, 1000 + i), 0, i);
  ASSERT_NE(insert(0, 100, 5000), nullptr);
  EXPECT_EQ(cache_.size(), most + 1);
  resolve(cache_.find(0, address(100)), 0, 100, 5000);
  EXPECT_EQ(cache_.size(), most);
  EXPECT_EQ(cache_.find(0, address(0)), nullptr) << "the oldest, among the first that are looked at";
  EXPECT_NE(cache_.find(0, address(100)), nullptr);
  EXPECT_NE(cache_.find(0, address(1)), nullptr);
}

TEST_F(NeighborCacheTest, NeverEvictsStaticEntries) {
  for (unsigned i = 0; i < 64; ++i) {
    NeighborEntry* const entry = cache_.insert(0, address(i), true, 0, drops_);
    ASSERT_NE(entry, nullptr);
    entry->record.write({0, address(i), kMac, NeighborState::kStatic});
  }
  EXPECT_EQ(insert(0, 100), nullptr);
  EXPECT_EQ(cache_.size(), 64u);
}

TEST_F(NeighborCacheTest, NeverEvictsWhomItProtects) {
  const std::vector<IpAddress> gateways = {address(1), address(2)};
  const AddressSet set(gateways);
  cache_.protect(&set);
  insert(0, 1);
  resolve(insert(0, 2), 0, 2);
  for (unsigned i = 100; i < 1100; ++i) {
    NeighborEntry* const entry = insert(0, i, i);
    if (i % 2 == 0) resolve(entry, 0, i, i);
  }
  EXPECT_NE(cache_.find(0, address(1)), nullptr) << "nobody answers for it yet";
  EXPECT_NE(cache_.find(0, address(2)), nullptr);
}

TEST_F(NeighborCacheTest, MakesRoomForWhomItProtects) {
  for (unsigned i = 100; i < 200; ++i) resolve(insert(0, i, i), 0, i, i);
  const std::vector<IpAddress> gateways = {address(1)};
  const AddressSet set(gateways);
  cache_.protect(&set);
  EXPECT_NE(insert(0, 1, 1000), nullptr);
  for (unsigned i = 200; i < 300; ++i) resolve(insert(0, i, i), 0, i, i);
  EXPECT_NE(cache_.find(0, address(1)), nullptr);
}

/// Addresses of one /64 that the CRC-32C of address and port, which anybody can work out, puts together.
std::vector<IpAddress> colliding_without_a_key(size_t count, uint32_t buckets) {
  std::vector<IpAddress> chosen;
  std::array<uint8_t, 16> bytes{0xfd, 0x10};
  for (uint64_t host = 1; chosen.size() < count; ++host) {
    store(bytes.data() + 8, byte_swap(host));
    uint64_t hash = _mm_crc32_u64(0, load<uint64_t>(bytes.data()));
    hash = _mm_crc32_u64(hash, load<uint64_t>(bytes.data() + 8));
    if ((hash & (buckets - 1)) == 0) chosen.push_back(IpAddress::v6(bytes.data()));
  }
  return chosen;
}

TEST_F(NeighborCacheTest, KeepsChainsShortWhateverAddressesAStrangerChooses) {
  constexpr uint32_t kCapacity = 4096;
  NeighborCache cache(0x5eed, kCapacity);
  for (const IpAddress& one : colliding_without_a_key(kCapacity, kCapacity)) {
    NeighborEntry* const entry = cache.insert(0, one, false, 0, drops_);
    ASSERT_NE(entry, nullptr);
    entry->record.write({0, one, kMac, NeighborState::kReachable});
    cache.settle(*entry, 0, drops_);
  }
  EXPECT_EQ(cache.size(), kCapacity - cache.most_unresolved());
  EXPECT_LE(longest_chain(cache), NeighborCache::kLongestChain / 2) << "as of random addresses";
}

TEST_F(NeighborCacheTest, EndsChainsEvenForWhoeverKnowsTheSeed) {
  constexpr uint64_t kSeed = 7;
  constexpr uint32_t kCapacity = 1024;
  NeighborCache cache(kSeed, kCapacity);
  const lb::FlowHash hash(kSeed);
  unsigned tried = 0;
  for (unsigned number = 0; tried < 200; ++number) {
    if ((hash({address(number), {}, {}, {}, {}, {}}) & (kCapacity - 1)) != 0) continue;
    ++tried;
    NeighborEntry* const entry = cache.insert(0, address(number), false, number, drops_);
    if (entry == nullptr || tried % 3 != 0) continue;
    entry->record.write({0, address(number), kMac, NeighborState::kReachable});
    cache.settle(*entry, number, drops_);
  }
  EXPECT_EQ(longest_chain(cache), NeighborCache::kLongestChain);
}

}  // namespace
}  // namespace sluice::dataplane
