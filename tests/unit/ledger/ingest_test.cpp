#include "ledger/ingest.h"

#include <map>
#include <random>

#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

/// Ingest alone; the test plays the journal.
class IngestTest : public ::testing::Test {
 protected:
  void make(IngestLimits limits, uint64_t window = 1000) {
    const RecentIds::Capacity capacity{window, limits.most_in_flight()};
    memory_ = std::make_unique<WindowMemory>(capacity);
    ids_ = std::make_unique<RecentIds>(capacity, memory_->span(), WindowSeed{1, 2});
    ingest_ = std::make_unique<Ingest>(limits, *ids_, counters_);
  }
  Decision offer(const std::string& payload, uint64_t ticket = 0, uint64_t now_ns = 0) {
    Transaction transaction = transaction_of(payload, ticket);
    counters_.received.add();
    return ingest_->offer(transaction, now_ns, answer_);
  }
  std::vector<Answer> answers() {
    std::vector<Answer> all;
    std::array<Answer, 2> some;
    while (const size_t count = ingest_->take_answers(some))
      all.insert(all.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(count));
    return all;
  }
  void finish(OpenBlock* block, Fate fate) {
    block->fate = fate;
    ingest_->finish(block);
  }
  uint64_t ended() const {
    uint64_t sum = 0;
    for (const Counter& counter : counters_.ended) sum += counter.read();
    return sum;
  }

  OutcomeCounters counters_;
  std::unique_ptr<WindowMemory> memory_;
  std::unique_ptr<RecentIds> ids_;
  std::unique_ptr<Ingest> ingest_;
  Answer answer_;
};

TEST_F(IngestTest, SealsByCountBytesAndDelay) {
  make({{3, 10}, 100, 8, 8});
  for (const char* payload : {"a", "b"}) offer(payload);
  EXPECT_EQ(ingest_->take_sealed(), nullptr);
  offer("c");
  OpenBlock* block = ingest_->take_sealed();
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->count(), 3u);
  offer("123456789");
  EXPECT_EQ(ingest_->take_sealed(), nullptr) << "nine bytes are below ten";
  offer("0123456789");
  block = ingest_->take_sealed();
  ASSERT_NE(block, nullptr) << "the limit was reached";
  EXPECT_EQ(block->number(), 1u);
  EXPECT_EQ(block->first_index(), 3u);
  offer("late", 0, 1000);
  ingest_->poll(1099);
  EXPECT_EQ(ingest_->take_sealed(), nullptr);
  ingest_->poll(1100);
  EXPECT_NE(ingest_->take_sealed(), nullptr);
  ingest_->poll(5000);
  EXPECT_EQ(ingest_->take_sealed(), nullptr) << "no block is empty";
}

TEST_F(IngestTest, TheLastBlockFillsUpWhileTheJournalHasAllOthers) {
  make({{3, 100}, 100, 2, 8});
  offer("a");
  ingest_->poll(100);
  OpenBlock* const first = ingest_->take_sealed();
  ASSERT_NE(first, nullptr);
  offer("b", 0, 100);
  ingest_->poll(1000);
  EXPECT_EQ(ingest_->take_sealed(), nullptr) << "it would only wait there";
  EXPECT_EQ(offer("c", 0, 1000), Decision::kUnderWay);
  finish(first, Fate::kCommitted);
  ingest_->poll(1000);
  OpenBlock* const second = ingest_->take_sealed();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->count(), 2u);
}

TEST_F(IngestTest, ARepeatInFlightGetsTheSameReceipt) {
  make({{1, 100}, 100, 8, 8});
  EXPECT_EQ(offer("a", 1), Decision::kUnderWay);
  EXPECT_EQ(offer("a", 2), Decision::kUnderWay);
  OpenBlock* const block = ingest_->take_sealed();
  EXPECT_EQ(offer("a", 3), Decision::kUnderWay);
  finish(block, Fate::kCommitted);
  EXPECT_EQ(offer("a", 4), Decision::kAnswered) << "durable, though not yet answered";
  const std::vector<Answer> all = answers();
  ASSERT_EQ(all.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(all[i].requester.ticket, i + 1);
    EXPECT_EQ(all[i].outcome, i == 0 ? Outcome::kStored : Outcome::kDuplicate);
    EXPECT_EQ(all[i].receipt.txid, crypto::sha256(bytes_of("a")));
    EXPECT_EQ(all[i].receipt.leaf_hash, crypto::sha256_leaf(bytes_of("a")));
    EXPECT_EQ(all[i].receipt.tree_size, 1u);
  }
  EXPECT_EQ(answer_.receipt.txid, all[0].receipt.txid);
  EXPECT_EQ(answer_.receipt.block, all[0].receipt.block);
  EXPECT_EQ(answer_.receipt.tree_size, all[0].receipt.tree_size);
  EXPECT_TRUE(ingest_->is_idle());
  EXPECT_EQ(ended(), 4u);
}

TEST_F(IngestTest, OfABlockThatTheDiskFailedUnderOnlyTheControlSocketHears) {
  make({{3, 1000}, 100, 8, 8});
  offer("asked", 1);
  Transaction heard = transaction_of("heard");
  heard.requester.channel = Channel::kCoap;
  ingest_->offer(heard, 0, answer_);
  ingest_->offer(heard, 0, answer_);
  offer("asked", 2);
  offer("full", 3);
  finish(ingest_->take_sealed(), Fate::kFailed);
  const std::vector<Answer> all = answers();
  ASSERT_EQ(all.size(), 3u);
  for (const Answer& answer : all) {
    EXPECT_EQ(answer.requester.channel, Channel::kControl);
    EXPECT_EQ(answer.outcome, Outcome::kDroppedStopping);
  }
  EXPECT_EQ(ended(), 5u);
  EXPECT_TRUE(ingest_->is_idle());
}

// Whoever waits is told once, whatever block he waits for and however little room there is for answers.
TEST_F(IngestTest, OfAStallEverybodyWhoWaitsIsToldOnce) {
  make({{3, 100}, 100, 8, 64});
  uint64_t asked = 0;
  const auto offer_some = [&](std::string_view payloads) {
    for (const char payload : payloads) offer(std::string(1, payload), ++asked);
  };
  offer_some("abcABC");  // two blocks
  offer_some("aabCx");   // repeats, and one for the open block
  OpenBlock* const first = ingest_->take_sealed();
  ingest_->set_stalled(true);
  std::vector<uint64_t> told;
  std::array<Answer, 2> some;
  while (const size_t count = ingest_->tell_stalled(some)) {
    for (const Answer& answer : std::span(some).first(count)) {
      EXPECT_EQ(answer.outcome, Outcome::kDroppedDiskFull);
      told.push_back(answer.requester.ticket);
    }
  }
  std::sort(told.begin(), told.end());
  ASSERT_EQ(told.size(), asked);
  for (uint64_t i = 0; i < asked; ++i) EXPECT_EQ(told[i], i + 1);
  for (const char* payload : {"a", "x", "new"}) {
    EXPECT_EQ(offer(payload), Decision::kAnswered);
    EXPECT_EQ(answer_.outcome, Outcome::kDroppedDiskFull);
  }
  ingest_->set_stalled(false);
  offer("a", 99);  // before its block is back: told with it
  finish(first, Fate::kCommitted);
  finish(ingest_->take_sealed(), Fate::kCommitted);
  const std::vector<Answer> rest = answers();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].requester.ticket, 99u);
  EXPECT_EQ(rest[0].receipt.index, 0u);
}

TEST_F(IngestTest, ABitcoinRepeatNeedsTheFirstOnesLeaf) {
  make({{1, 100}, 100, 8, 8});
  Transaction transaction = transaction_of("raw");
  transaction.profile = Profile::kBitcoin;
  EXPECT_EQ(ingest_->offer(transaction, 0, answer_), Decision::kUnderWay);
  finish(ingest_->take_sealed(), Fate::kCommitted);
  transaction.leaf_hash.fill(9);  // another witness
  EXPECT_EQ(ingest_->offer(transaction, 0, answer_), Decision::kLookUp);
  EXPECT_EQ(answer_.receipt.index, 0u);
  EXPECT_EQ(ingest_->locate(transaction.txid), 0u);
}

// An opaque payload may have the txid of a Bitcoin transaction: the 32 bytes that its second hash is of.
TEST_F(IngestTest, AnOpaquePayloadHidesNoBitcoinTransactionOfTheSameId) {
  for (const bool is_opaque_first : {true, false}) {
    make({{1, 100}, 100, 8, 8});
    Transaction opaque = transaction_of("the inner hash"), bitcoin = opaque;
    bitcoin.profile = Profile::kBitcoin;
    const Transaction& first = is_opaque_first ? opaque : bitcoin;
    EXPECT_EQ(ingest_->offer(first, 0, answer_), Decision::kUnderWay);
    EXPECT_EQ(ingest_->locate(first.txid), std::nullopt) << "not committed";
    finish(ingest_->take_sealed(), Fate::kCommitted);
    EXPECT_EQ(ingest_->offer(is_opaque_first ? bitcoin : opaque, 0, answer_), Decision::kUnderWay)
        << "another transaction, and no repeat";
    EXPECT_EQ(ingest_->locate(first.txid), 0u) << "what is in flight hides nothing";
    finish(ingest_->take_sealed(), Fate::kCommitted);
    EXPECT_EQ(ingest_->locate(first.txid), is_opaque_first ? 1u : 0u);
    EXPECT_EQ(ingest_->locate(first.txid, Profile::kBitcoin), is_opaque_first ? 1u : 0u);
    EXPECT_EQ(ingest_->locate(first.txid, Profile::kOpaque), is_opaque_first ? 0u : 1u);
  }
}

TEST_F(IngestTest, RefusesWhenBlocksOrWaitersRunOut) {
  make({{1, 100}, 100, 2, 1});
  offer("a");
  offer("b");
  EXPECT_EQ(offer("c"), Decision::kAnswered);
  EXPECT_EQ(answer_.outcome, Outcome::kDroppedWindowFull);
  EXPECT_EQ(offer("a"), Decision::kUnderWay);
  EXPECT_EQ(offer("a"), Decision::kAnswered);
  EXPECT_EQ(answer_.outcome, Outcome::kDroppedWindowFull);
  finish(ingest_->take_sealed(), Fate::kCommitted);
  EXPECT_EQ(offer("c"), Decision::kAnswered);
  EXPECT_EQ(answer_.outcome, Outcome::kDroppedRingFull) << "the block is not answered yet";
  EXPECT_EQ(answers().size(), 2u);
  EXPECT_EQ(offer("c"), Decision::kUnderWay) << "a refused one may come again";
}

TEST_F(IngestTest, ARefusedBlockTakesAllAfterItAlong) {
  make({{1, 100}, 100, 8, 8});
  for (const char* payload : {"a", "b", "c", "d"}) offer(payload);
  OpenBlock* const a = ingest_->take_sealed();
  OpenBlock* const b = ingest_->take_sealed();
  OpenBlock* const c = ingest_->take_sealed();
  offer("b", 7);
  finish(a, Fate::kCommitted);
  finish(b, Fate::kDiskFull);
  EXPECT_EQ(offer("c", 8), Decision::kUnderWay) << "c left the window: it is new again";
  EXPECT_EQ(offer("c", 9), Decision::kUnderWay);
  finish(c, Fate::kDiskFull);  // the journal refused what does not follow
  OpenBlock* const again = ingest_->take_sealed();
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->number(), 1u);
  EXPECT_EQ(again->first_index(), 1u);
  finish(again, Fate::kCommitted);
  std::map<Outcome, int> outcomes;
  for (const Answer& answer : answers()) {
    ++outcomes[answer.outcome];
    EXPECT_TRUE(answer.requester.ticket != 8 || answer.receipt.index == 1);
  }
  EXPECT_EQ(outcomes[Outcome::kStored], 2);
  EXPECT_EQ(outcomes[Outcome::kDuplicate], 1);
  EXPECT_EQ(outcomes[Outcome::kDroppedDiskFull], 4);
  EXPECT_EQ(ended(), counters_.received.read());
  EXPECT_TRUE(ingest_->is_idle());
}

TEST_F(IngestTest, ABlockThatComesBackOutOfOrderEndsTheProcess) {
  make({{1, 100}, 100, 4, 1});
  offer("a");
  offer("b");
  OpenBlock* const a = ingest_->take_sealed();
  OpenBlock* const b = ingest_->take_sealed();
  EXPECT_EXIT(finish(b, Fate::kCommitted), testing::KilledBySignal(SIGABRT),
              "blocks come back from the journal in their order");
  EXPECT_EXIT(finish(a, Fate::kUnderWay), testing::KilledBySignal(SIGABRT), "has ended");
}

TEST_F(IngestTest, StoppingSealsAndTakesNothingMore) {
  make({{4, 100}, 100, 2, 2});
  offer("a");
  ingest_->stop();
  EXPECT_EQ(offer("b"), Decision::kAnswered);
  EXPECT_EQ(answer_.outcome, Outcome::kDroppedStopping);
  EXPECT_FALSE(ingest_->is_idle());
  finish(ingest_->take_sealed(), Fate::kCommitted);
  EXPECT_EQ(answers().size(), 1u);
  EXPECT_TRUE(ingest_->is_idle());
}

TEST_F(IngestTest, RawTransactionsAreCountedAndNotAnswered) {
  make({{2, 100}, 100, 2, 2});
  for (const char* payload : {"a", "a", "b"}) {
    Transaction transaction = transaction_of(payload);
    transaction.requester.channel = Channel::kNone;
    ingest_->offer(transaction, 0, answer_);
  }
  finish(ingest_->take_sealed(), Fate::kCommitted);
  EXPECT_TRUE(answers().empty());
  EXPECT_EQ(counters_.read(Outcome::kStored), 2u);
  EXPECT_EQ(counters_.read(Outcome::kDuplicate), 1u);
}

// A journal that refuses at random, against a list of what was promised.
TEST_F(IngestTest, KeepsItsPromisesUnderRandomRefusals) {
  make({{3, 20}, 5, 5, 4}, 40);
  std::mt19937 random(9);
  std::vector<std::string> log;     // what the journal took, by index
  std::vector<OpenBlock*> journal;  // sent, not yet back
  uint64_t journal_blocks = 0;
  std::map<uint64_t, std::string> waiting;  // by ticket
  uint64_t ticket = 0;
  const auto check = [&](const Answer& answer) {
    const auto asked = waiting.find(answer.requester.ticket);
    ASSERT_NE(asked, waiting.end());
    if (has_receipt(answer.outcome)) {
      ASSERT_LT(answer.receipt.index, log.size());
      EXPECT_EQ(log[answer.receipt.index], asked->second);
    }
    waiting.erase(asked);
  };
  for (uint64_t now = 0; now < 20000; ++now) {
    const std::string payload = "p" + std::to_string(random() % 90);
    waiting[++ticket] = payload;
    if (offer(payload, ticket, now) == Decision::kAnswered) check(answer_);
    ingest_->poll(now);
    while (OpenBlock* const block = ingest_->take_sealed()) journal.push_back(block);
    while (!journal.empty() && random() % 3 == 0) {
      OpenBlock* const block = journal.front();
      journal.erase(journal.begin());
      const bool follows = block->number() == journal_blocks && block->first_index() == log.size();
      const bool is_taken = follows && random() % 10 != 0;
      if (is_taken) {
        ++journal_blocks;
        log.resize(block->tree_size());
        for (const auto& leaf : block->leaf_hashes()) {
          const size_t at = block->first_index() + static_cast<size_t>(&leaf - block->leaf_hashes().data());
          for (int i = 0; i < 90; ++i)
            if (crypto::sha256_leaf(bytes_of("p" + std::to_string(i))) == leaf)
              log[at] = "p" + std::to_string(i);
        }
      }
      finish(block, is_taken ? Fate::kCommitted : Fate::kDiskFull);
    }
    if (random() % 4 == 0)
      for (const Answer& answer : answers()) check(answer);
  }
  EXPECT_GT(log.size(), 1000u);
}

}  // namespace
}  // namespace sluice::ledger::test
