#include "ledger/recent_ids.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "crypto/sha256_openssl.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

crypto::Digest id_of(uint64_t number) {
  return crypto::sha256({reinterpret_cast<const uint8_t*>(&number), sizeof number});
}

/// The window as one would write it down: a list of everything, searched from the end.
struct NaiveWindow {
  struct Item {
    crypto::Digest id;
    uint64_t block;
  };
  std::vector<Item> log;  // by leaf index
  uint64_t committed = 0;
  uint64_t window;

  std::optional<uint64_t> find(const crypto::Digest& id) const {
    const uint64_t oldest = committed > window ? committed - window : 0;
    for (uint64_t index = log.size(); index-- > oldest;)
      if (log[index].id == id) return index;
    return std::nullopt;
  }
  uint64_t tree_size_after(uint64_t index) const {
    uint64_t size = index + 1;
    while (size < committed && log[size].block == log[index].block) ++size;
    return size;
  }
};

void compare_with_naive(uint64_t window, uint64_t most_in_flight, unsigned ids, unsigned steps,
                        unsigned seed) {
  const RecentIds::Capacity capacity{window, most_in_flight};
  WindowMemory memory(capacity);
  RecentIds recent(capacity, memory.span(), {seed, seed * 7919u});
  NaiveWindow naive{{}, 0, window};
  std::mt19937 random(seed);
  std::vector<uint64_t> starts;  // of the blocks in flight
  for (unsigned step = 0; step < steps; ++step) {
    const crypto::Digest id = id_of(random() % ids);
    ASSERT_EQ(recent.find(id), naive.find(id)) << "step " << step;
    if (!recent.find(id) && recent.has_room()) {
      const bool starts_block = starts.empty() || random() % 5 == 0;
      if (starts_block) starts.push_back(recent.next_index());
      const uint64_t block = naive.log.empty() ? 0 : naive.log.back().block + (starts_block ? 1 : 0);
      ASSERT_EQ(starts_block ? recent.next_block() : block, block);
      recent.append(id, starts_block);
      naive.log.push_back({id, block});
    }
    if (starts.size() > 1 && random() % 8 == 0) {  // the oldest block is durable
      recent.commit(starts[1]);
      naive.committed = starts[1];
      starts.erase(starts.begin());
    }
    if (!starts.empty() && random() % 40 == 0) {  // some block, and all after it, were refused
      const size_t from = random() % starts.size();
      recent.take_back(starts[from]);
      naive.log.resize(starts[from]);
      starts.resize(from);
    }
    const uint64_t oldest = recent.oldest();
    if (recent.committed() > oldest) {
      const uint64_t index = oldest + random() % (recent.committed() - oldest);
      ASSERT_EQ(recent.place_of(index).block, naive.log[index].block) << step;
      ASSERT_EQ(recent.place_of(index).tree_size, naive.tree_size_after(index)) << step;
      ASSERT_EQ(recent.txid_of(index, Profile::kOpaque), naive.log[index].id);
    }
  }
}

TEST(RecentIds, RemembersWhatANaiveListRemembers) {
  compare_with_naive(1, 1, 6, 4000, 1);
  compare_with_naive(1, 40, 30, 4000, 2);
  compare_with_naive(50, 20, 120, 20000, 3);
  compare_with_naive(200, 64, 250, 20000, 4);
  compare_with_naive(63, 65, 400, 20000, 5);
}

TEST(RecentIds, GoesOnFromAnyIndex) {
  const RecentIds::Capacity capacity{100, 10};
  WindowMemory memory(capacity);
  RecentIds recent(capacity, memory.span(), {1, 2});
  recent.restart(12345, 77);
  for (uint64_t i = 0; i < 300; ++i) {
    recent.append(id_of(i), i % 3 == 0);
    if (i % 3 == 2) recent.commit(recent.next_index());
  }
  EXPECT_EQ(recent.find(id_of(299)), 12345u + 299);
  EXPECT_EQ(recent.find(id_of(200)), 12345u + 200);
  EXPECT_EQ(recent.find(id_of(199)), std::nullopt);
  EXPECT_EQ(recent.place_of(12345 + 298).block, 77u + 99);
  EXPECT_EQ(recent.place_of(12345 + 298).tree_size, 12345u + 300);
}

TEST(RecentIds, IdsOfTwoProfilesNeverMeet) {
  const crypto::Digest id = id_of(1);
  EXPECT_EQ(RecentIds::key_of(id, Profile::kOpaque), id);
  EXPECT_NE(RecentIds::key_of(id, Profile::kBitcoin), id);
}

// Ids that all have one home still find their way, and out again.
TEST(RecentIds, OverflowingBucketsKeepEverything) {
  const RecentIds::Capacity capacity{300, 100};
  WindowMemory memory(capacity);
  RecentIds recent(capacity, memory.span(), {0, 0});
  const auto same_home = [](uint8_t number) {
    crypto::Digest id{};  // with a zero seed, a zero factor makes every hash zero
    id[31] = number;
    return id;
  };
  for (uint8_t i = 0; i < 60; ++i) recent.append(same_home(i), i == 0);
  for (uint8_t i = 0; i < 60; ++i) ASSERT_EQ(recent.find(same_home(i)), i);
  recent.take_back(0);
  for (uint8_t i = 0; i < 60; ++i) ASSERT_EQ(recent.find(same_home(i)), std::nullopt);
}

TEST(RecentIds, ComparesABucketAsOneByOneDoes) {
  std::mt19937 random(6);
  for (int round = 0; round < 20000; ++round) {
    BucketWords words;
    const uint32_t mask = round % 2 == 0 ? UINT32_MAX : ~((1u << random() % 32) - 1);
    for (uint32_t& word : words) word = random() % 4 == 0 ? 0 : static_cast<uint32_t>(random());
    const uint32_t value = round % 3 == 0 ? 0 : words[random() % words.size()] & mask;
    words[random() % words.size()] = value;
    ASSERT_EQ(slots_equal(words, mask, value), slots_equal_one_by_one(words, mask, value)) << round;
  }
}

TEST(RecentIdsDeathTest, EndsTheProcessRatherThanForgetWhatIsInFlight) {
  const RecentIds::Capacity capacity{10, 2};
  WindowMemory memory(capacity);
  RecentIds recent(capacity, memory.span(), {1, 2});
  recent.append(id_of(0), true);
  recent.append(id_of(1), false);
  EXPECT_EXIT(recent.append(id_of(2), false), testing::KilledBySignal(SIGABRT),
              "than the window has room for");
  EXPECT_EXIT(recent.commit(3), testing::KilledBySignal(SIGABRT), "what was appended is committed");
  recent.commit(1);
  EXPECT_EXIT(recent.take_back(0), testing::KilledBySignal(SIGABRT), "is never taken back");
}

TEST(RecentIds, TakesAtMostFortyBytesATransaction) {
  const RecentIds::Capacity capacity{4194304, 8 * 4096};
  EXPECT_LE(static_cast<double>(RecentIds::bytes_needed(capacity)) / 4194304, 40.0);
}

}  // namespace
}  // namespace sluice::ledger::test
