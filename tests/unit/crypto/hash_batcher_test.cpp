#include "crypto/hash_batcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {
namespace {

class HashBatcherTest : public testing::Test {
 protected:
  static constexpr uint64_t kDelay = 100;

  Message message(uint32_t size) { return {.data = bytes_.data(), .digest = &digest_, .size = size}; }

  std::vector<uint8_t> bytes_ = oracle::random_bytes(20000, 1);
  Digest digest_{};
  Sha256 engine_ = *Sha256::create(Sha256Engine::openssl);
  std::unique_ptr<HashBatcher> batcher_ = std::make_unique<HashBatcher>(engine_, kDelay);
};

TEST_F(HashBatcherTest, RunsAGroupAsSoonAsItIsFull) {
  for (uint32_t tag = 0; tag + 1 < HashBatcher::kGroup; ++tag)
    EXPECT_TRUE(batcher_->add(message(200 + tag % 8), tag, 0).empty());  // 4 blocks each
  EXPECT_TRUE(batcher_->add(message(20), 1000, 0).empty());              // 1 block: another group
  const auto finished = batcher_->add(message(200), HashBatcher::kGroup - 1, 0);
  ASSERT_EQ(finished.size(), HashBatcher::kGroup);
  for (uint32_t tag = 0; tag < HashBatcher::kGroup; ++tag)
    EXPECT_EQ(std::ranges::count(finished, tag), 1) << tag;
  EXPECT_EQ(batcher_->held(), 1u);
}

TEST_F(HashBatcherTest, HoldsNothingLongerThanTheDelay) {
  batcher_->add(message(10), 1, 1000);
  batcher_->add(message(500), 2, 1050);
  EXPECT_TRUE(batcher_->poll(1000 + kDelay - 1).empty());
  const auto finished = batcher_->poll(1000 + kDelay);
  EXPECT_EQ(std::vector(finished.begin(), finished.end()), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(batcher_->held(), 0u);
  EXPECT_TRUE(batcher_->poll(5000).empty());
}

TEST_F(HashBatcherTest, MeetsTheDeadlineInAddToo) {
  batcher_->add(message(10), 1, 0);
  const auto finished = batcher_->add(message(500), 2, kDelay);
  EXPECT_EQ(finished.size(), 2u);
}

TEST_F(HashBatcherTest, HashesAtOnceWithoutDelay) {
  HashBatcher eager(engine_, 0);
  EXPECT_EQ(eager.add(message(10), 7, 0).size(), 1u);
  EXPECT_EQ(digest_, oracle::hash(message(10)));
}

TEST_F(HashBatcherTest, FlushesWhatIsHeld) {
  batcher_->add(message(10), 1, 0);
  EXPECT_EQ(batcher_->flush().size(), 1u);
  EXPECT_TRUE(batcher_->flush().empty());
}

TEST_F(HashBatcherTest, FinishesEveryMessageOnceAndRightAndInTime) {
  std::mt19937 random(2);
  std::deque<Digest> digests;
  std::vector<Message> messages;
  std::map<uint32_t, uint64_t> waiting;  // tag and time of arrival
  uint64_t now = 0;
  const auto take = [&](HashBatcher::Finished finished) {
    for (uint32_t tag : finished) {
      const auto entry = waiting.find(tag);
      ASSERT_NE(entry, waiting.end()) << tag << " came back twice";
      EXPECT_LE(now - entry->second, kDelay);
      EXPECT_EQ(digests[tag], oracle::hash(messages[tag]));
      waiting.erase(entry);
    }
  };
  for (uint32_t tag = 0; tag < 20000; ++tag) {
    now += random() % 4 == 0 ? 1 : 0;
    take(batcher_->poll(now));
    const uint32_t size = static_cast<uint32_t>(random() % 100 == 0 ? random() % 19000 : random() % 1500);
    digests.emplace_back();
    messages.push_back({.data = bytes_.data() + random() % 900,
                        .digest = &digests.back(),
                        .size = size,
                        .prefix = static_cast<Prefix>(random() % 3),
                        .rounds = static_cast<Rounds>(random() % 2)});
    waiting[tag] = now;
    take(batcher_->add(messages.back(), tag, now));
    ASSERT_EQ(batcher_->held(), waiting.size());
    ASSERT_LT(batcher_->held(), HashBatcher::kCapacity);
  }
  take(batcher_->flush());
  EXPECT_TRUE(waiting.empty());
}

}  // namespace
}  // namespace sluice::crypto
