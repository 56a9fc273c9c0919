#include "lb/flow_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>

#include "tests/unit/lb/flow_table_fixture.h"

namespace sluice::lb {
namespace {

TEST(FlowTable, HasOneBucketForTwoEntriesAndNoMoreThanHavePlaces) {
  for (const size_t entries : {1u, 6u, 7u, 1000u, 1u << 20, 4'000'000u}) {
    EXPECT_EQ(FlowTable::buckets_for(entries), (entries + 1) / 2);
  }
  const size_t most = FlowTable::buckets_for(size_t{1} << 28);
  EXPECT_EQ(most << FlowTable::kPlaceShift, size_t{1} << 32);
}

TEST(FlowTable, FindsWhatWasInsertedAndNothingElse) {
  Table table(64);
  EXPECT_EQ(table.find(numbered_key(1)), nullptr);
  FlowEntry* const entry = table.insert(numbered_key(1), FlowState::kEmbryonic, 77);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(table.flows->key_of(*entry), numbered_key(1));
  EXPECT_EQ(entry->last_seen_ms, 77u);
  EXPECT_EQ(entry->service, kNoService);
  EXPECT_EQ(entry->backend, kNoBackend);
  EXPECT_EQ(entry->peer, kNoFlow);
  EXPECT_EQ(table.find(numbered_key(1)), entry);
  EXPECT_EQ(&table.flows->at(table.flows->index_of(*entry)), entry);
  EXPECT_EQ(table.find(numbered_key(2)), nullptr);
  EXPECT_EQ(table.flows->size(), 1u);
}

TEST(FlowTable, ErasesAnEntryWithItsPeer) {
  Table table(64);
  FlowEntry* const forward = table.insert(numbered_key(1), FlowState::kEstablished);
  FlowEntry* const reply = table.insert_reply(forward, numbered_key(2));
  table.insert(numbered_key(3), FlowState::kEstablished);
  table.flows->erase(*reply);
  EXPECT_EQ(table.find(numbered_key(1)), nullptr);
  EXPECT_EQ(table.find(numbered_key(2)), nullptr);
  EXPECT_NE(table.find(numbered_key(3)), nullptr);
  EXPECT_EQ(table.flows->size(), 1u);
  EXPECT_EQ(forward->state, FlowState::kFree);
}

TEST(FlowTable, IsIdleSinceEitherDirectionWasSeen) {
  Table table(64);
  FlowEntry* const forward = table.insert(numbered_key(1), FlowState::kEstablished, 100);
  EXPECT_EQ(table.flows->idle_ms(*forward, 400), 300u);
  FlowEntry* const reply = table.insert_reply(forward, numbered_key(2), 350);
  EXPECT_EQ(table.flows->idle_ms(*forward, 400), 50u);
  EXPECT_EQ(table.flows->idle_ms(*reply, 400), 50u);
  forward->last_seen_ms = reply->last_seen_ms = UINT32_MAX - 9;
  EXPECT_EQ(table.flows->idle_ms(*forward, 10), 20u) << "across the wrap";
}

TEST(FlowTable, FillsToItsCapacityWithoutEvicting) {
  Table table(40'960);
  for (uint32_t i = 0; i < 40'960; ++i) {
    ASSERT_NE(table.insert(numbered_key(i), FlowState::kEstablished), nullptr) << i;
  }
  EXPECT_TRUE(table.evicted.empty());
  for (uint32_t i = 0; i < 40'960; ++i) ASSERT_NE(table.find(numbered_key(i)), nullptr) << i;
  EXPECT_EQ(table.flows->size(), table.flows->capacity());
}

TEST(FlowTable, TakesBucketsIntoUseAsEntriesCome) {
  Table table(40'960);
  const auto last_used = [&] {
    const auto is_used = [](const FlowTable::Bucket& bucket) { return bucket.ways(0) != 0xff; };
    const auto found = std::find_if(table.buckets.rbegin(), table.buckets.rend(), is_used);
    return static_cast<size_t>(table.buckets.rend() - found);
  };
  for (uint32_t i = 0; i < 20'000; ++i) {
    ASSERT_NE(table.insert(numbered_key(i), FlowState::kEstablished), nullptr) << i;
    if (std::popcount(i) != 1) continue;
    EXPECT_LE(last_used(), std::max<size_t>(512, i / 2 + 1)) << i;  // no fewer are ever split
    for (uint32_t known = 0; known <= i; ++known) {
      const FlowEntry* const entry = table.find(numbered_key(known));
      ASSERT_NE(entry, nullptr) << known << " of " << i;
      ASSERT_EQ(table.flows->key_of(*entry), numbered_key(known));
    }
    ASSERT_EQ(table.find(numbered_key(i + 1)), nullptr);
  }
  EXPECT_TRUE(table.evicted.empty());
}

TEST(FlowTable, KeepsKeysOfBothFamiliesApart) {
  Table table(64);
  FlowKey v4 = numbered_key(1), v6 = v4, other6 = v4;
  v6.source = address("2001:db8::1");
  v6.destination = address("2001:db8::2");
  other6.source = address("2001:db8::1");
  other6.destination = address("2001:db8::3");
  for (const FlowKey& key : {v4, v6, other6}) {
    EXPECT_EQ(table.find(key), nullptr);
    FlowEntry* const entry = table.insert(key, FlowState::kEmbryonic);
    EXPECT_EQ(table.find(key), entry);
    EXPECT_EQ(table.flows->key_of(*entry), key);
    EXPECT_EQ(table.flows->candidate(table.flows->hash(key)), entry);
  }
  for (const FlowKey& key : {v4, v6, other6}) EXPECT_EQ(table.flows->key_of(*table.find(key)), key);
}

TEST(FlowTable, NatFlowsKnowWhatTheirPacketsBecome) {
  Table table(64);
  const auto key = [](const char* source, uint16_t source_port, const char* destination,
                      uint16_t port_there) {
    return FlowKey{address(source),  address(destination), port(source_port),
                   port(port_there), IpProtocol::kUdp,     {}};
  };
  for (const auto& [request, reply] :
       {std::pair{key("198.51.100.7", 40000, "203.0.113.10", 53), key("10.20.0.11", 5353, "10.20.0.1", 1024)},
        std::pair{key("2001:db8::7", 40000, "2001:db8::10", 53), key("fd20::11", 5353, "fd20::1", 1024)}}) {
    FlowEntry* const to = table.insert(request, FlowState::kStray);
    FlowEntry* const back = table.insert_reply(to, reply);
    EXPECT_EQ(table.flows->translated_key_of(*to), reply.reversed());
    EXPECT_EQ(table.flows->translated_key_of(*back), request.reversed());
    EXPECT_EQ(table.flows->translated_destination_of(*to), reply.source);
    EXPECT_EQ(table.flows->translated_destination_of(*back), request.source);
  }
}

TEST(FlowTable, FillsToItsCapacityHoweverSmallItIs) {
  for (size_t capacity = 1; capacity <= 640; capacity += capacity < 64 ? 1 : 64) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Table table(capacity, 0, seed);
      for (uint32_t i = 0; i < capacity; ++i) {
        ASSERT_NE(table.insert(numbered_key(i), FlowState::kEstablished), nullptr) << i << " of " << capacity;
      }
      for (uint32_t i = 0; i < capacity; ++i) ASSERT_NE(table.find(numbered_key(i)), nullptr);
      for (uint32_t i = 0; i < capacity; ++i) table.flows->erase(*table.find(numbered_key(i)));
      for (const FlowTable::Bucket& bucket : table.buckets) ASSERT_EQ(table.flows->displaced(bucket), 0u);
    }
  }
}

TEST(FlowTable, TheCandidateIsTheEntryInWhicheverBucketItLies) {
  Table table(40'960);
  for (uint32_t i = 0; i < 40'960; ++i) table.insert(numbered_key(i), FlowState::kEstablished);
  unsigned others = 0;
  for (uint32_t i = 0; i < 40'960; ++i) {
    FlowEntry* const candidate = table.flows->candidate(table.flows->hash(numbered_key(i)));
    ASSERT_NE(candidate, nullptr) << i;
    others += candidate != table.find(numbered_key(i));
  }
  EXPECT_LE(others, 20u) << "two of some eight tags of 16 bits are alike for one entry of 16,000";
  EXPECT_EQ(table.flows->candidate(table.flows->hash(numbered_key(50'000))), nullptr);
}

/// At every size of a table that grows, a bucket at a time.
TEST(FlowTable, FindsTheBucketsOfEightAsThoseOfOne) {
  Table table(5000);
  for (uint32_t i = 0; i < 5000; ++i) {
    table.insert(numbered_key(i), FlowState::kEstablished);
    std::array<uint64_t, 8> hashes;
    for (uint32_t j = 0; j < 8; ++j) hashes[j] = table.flows->hash(numbered_key(i * 7 % 6000 + j));
    std::array<uint32_t, 8> places;
    table.flows->prefetch_buckets(hashes, places);
    FlowEntry nobody;
    std::array<FlowEntry*, 8> found;
    table.flows->candidates(hashes, places, nobody, found);
    for (size_t j = 0; j < 8; ++j) {
      FlowEntry* const candidate = table.flows->candidate(hashes[j]);
      ASSERT_EQ(found[j], candidate != nullptr ? candidate : &nobody) << i << ", " << j;
    }
  }
}

/// How many entries the buckets of a table say that they have displaced.
size_t count_displaced(const Table& table) {
  return std::accumulate(
      table.buckets.begin(), table.buckets.end(), size_t{0},
      [&](size_t sum, const FlowTable::Bucket& bucket) { return sum + table.flows->displaced(bucket); });
}

/// Whether an entry lies in another bucket than its first.
bool is_displaced(const Table& table, const FlowKey& key, FlowIndex index) {
  std::array<uint64_t, 8> hashes;
  hashes.fill(table.flows->hash(key));
  std::array<uint32_t, 8> places;
  table.flows->prefetch_buckets(hashes, places);
  const FlowTable::Bucket& first = table.buckets[places[0] >> FlowTable::kPlaceShift];
  for (unsigned way = 0; way < FlowTable::Bucket::kWays; ++way) {
    if (first.tag[way] != 0 && first.index[way] == index) return false;
  }
  return true;
}

TEST(FlowTable, LooksAtSecondBucketsNoMoreOnceTheyAreEmpty) {
  Table table(40'960);
  for (uint32_t i = 0; i < 40'960; ++i) table.insert(numbered_key(i), FlowState::kEstablished);
  EXPECT_GT(count_displaced(table), 0u);
  for (uint32_t i = 0; i < 40'960; ++i) table.flows->erase(*table.find(numbered_key(i)));
  EXPECT_EQ(count_displaced(table), 0u);
}

/// Of a table that grows to 40,960 buckets, and whose entries come and go. Of one bucket those beyond four,
/// which buckets that wait to be split have now and then, may be counted for both halves of it.
TEST(FlowTable, KnowsWhichEntriesLieInTheirSecondBuckets) {
  constexpr uint32_t kEntries = 81'920;
  Table table(kEntries);
  for (uint32_t i = 0; i < 2 * kEntries; ++i) {
    if (i >= kEntries) table.flows->erase(*table.find(numbered_key(i - kEntries)));
    ASSERT_NE(table.insert(numbered_key(i), FlowState::kEstablished), nullptr);
    if (i % 8'192 != 8'191) continue;
    size_t displaced = 0;
    for (uint32_t j = i < kEntries ? 0 : i - kEntries + 1; j <= i; ++j) {
      const FlowEntry* const entry = table.find(numbered_key(j));
      ASSERT_NE(entry, nullptr) << j << " of " << i;
      displaced += is_displaced(table, numbered_key(j), table.flows->index_of(*entry));
    }
    EXPECT_GE(count_displaced(table), displaced) << i;
    EXPECT_LE(count_displaced(table), displaced + displaced / 4 + 20) << i;
  }
}

TEST(FlowTable, SpreadsStructuredKeysEvenly) {
  // Consecutive ports and addresses, as one scanner sends: a bucket of 4096 gets 64 of 262,144 keys on
  // average, with a standard deviation of 8; tags of 16 bits likewise.
  Table table(8);
  std::vector<unsigned> low(4096), middle(4096), high(4096);
  for (uint32_t i = 0; i < 262'144; ++i) {
    const uint64_t hash = table.flows->hash(numbered_key(i));
    ++low[hash & 0xfff];
    ++middle[hash >> 24 & 0xfff];
    ++high[hash >> 52];
  }
  for (const auto& part : {low, middle, high}) {
    double chi_square = 0;
    for (const unsigned count : part) chi_square += (count - 64.0) * (count - 64.0) / 64;
    // 4095 degrees of freedom: mean 4095, standard deviation 90.5.
    EXPECT_NEAR(chi_square, 4095, 5 * 90.5);
  }
}

TEST(FlowTable, CollisionsOfOneSeedAreNoneOfAnother) {
  Table one(8, 0, 1), other(8, 0, 2);
  std::map<uint64_t, uint32_t> seen;
  unsigned both = 0, first = 0;
  for (uint32_t i = 0; i < 20'000; ++i) {
    const auto [at, is_new] = seen.emplace(one.flows->hash(numbered_key(i)) & 0xffffff, i);
    if (is_new) continue;
    ++first;
    const auto low = [&](uint32_t n) { return other.flows->hash(numbered_key(n)) & 0xffffff; };
    both += low(i) == low(at->second);
  }
  EXPECT_GT(first, 0u);  // 12 expected by the birthday bound
  EXPECT_EQ(both, 0u);
}

/// Random operations on a small table and on an unordered_map. The table may forget by eviction, which
/// it reports; it may not lose, invent or confuse anything else.
RC_GTEST_PROP(FlowTable, AgreesWithAMap, ()) {
  Table table(*rc::gen::inRange<size_t>(1, 60), *rc::gen::element<size_t>(1, 2, 4, 16));
  std::map<unsigned, BackendId> model;
  uint32_t now_ms = *rc::gen::arbitrary<uint32_t>();
  const auto operations = *rc::gen::container<std::vector<std::pair<uint8_t, uint8_t>>>(
      300, rc::gen::pair(rc::gen::inRange<uint8_t>(0, 10), rc::gen::inRange<uint8_t>(0, 120)));
  for (const auto& [operation, which] : operations) {
    ++now_ms;
    const FlowKey key = numbered_key(which);
    FlowEntry* const entry = table.find(key);
    const auto known = model.find(number(which));
    RC_ASSERT((entry != nullptr) == (known != model.end()));
    if (entry != nullptr) {
      RC_ASSERT(entry->backend == known->second);
      RC_ASSERT(table.flows->key_of(*entry) == key);
      if (operation < 4) {
        model.erase(known);
        table.flows->erase(*entry);
      }
    } else {
      table.evicted.clear();
      const auto state = static_cast<FlowState>(1 + (operation + which) % (kFlowStates - 1));
      FlowEntry* const added =
          table.insert(key, state, now_ms, operation < 5 ? Eviction::kAnyone : Eviction::kUnanswered);
      for (const unsigned gone : table.evicted) RC_ASSERT(model.erase(gone) == 1u);
      if (added != nullptr) {
        added->backend = now_ms;
        model[number(which)] = now_ms;
      } else {
        RC_ASSERT(operation >= 5);
      }
    }
    RC_ASSERT(table.flows->size() == model.size());
  }
}

}  // namespace
}  // namespace sluice::lb
