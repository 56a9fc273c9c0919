#include "ledger/journal.h"

#include <cerrno>
#include <functional>
#include <map>

#include "ledger/log_reader.h"
#include "tests/unit/ledger/journal_fixture.h"

namespace sluice::ledger::test {
namespace {

TEST_F(JournalTest, ANewLogReleasesACheckpointOfSizeZero) {
  Gateway gateway(files_, folder_.path, signer_, {});
  ASSERT_TRUE(gateway.is_open()) << gateway.error();
  EXPECT_TRUE(slurp(folder_.path + "/checkpoint")
                  .starts_with("log.example/test\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"));
  EXPECT_EQ(slurp(folder_.path + "/vkey"), signer_.verifier().line() + "\n");
}

TEST_F(JournalTest, NoReceiptLeavesBeforeItsBlockIsSynced) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.append();
  gateway.collect();
  EXPECT_TRUE(gateway.answers.empty());
  SyncTask* const task = gateway.journal->begin_sync();
  ASSERT_NE(task, nullptr);
  gateway.offer("two");  // the next block is appended while the first is synced
  gateway.append();
  EXPECT_EQ(gateway.journal->begin_sync(), nullptr);
  task->run();
  gateway.collect();
  EXPECT_TRUE(gateway.answers.empty());
  gateway.journal->end(task);
  gateway.collect();
  ASSERT_EQ(gateway.answers.size(), 1u);
  EXPECT_EQ(gateway.answers[0].outcome, Outcome::kStored);
  gateway.sync();
  gateway.collect();
  ASSERT_EQ(gateway.answers.size(), 2u);
  EXPECT_EQ(gateway.answers[1].receipt.index, 1u);
  EXPECT_EQ(gateway.answers[1].receipt.block, 1u);
}

TEST_F(JournalTest, AFailedSyncEndsAcknowledgingForGood) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("kept");
  gateway.settle();
  ASSERT_EQ(gateway.answers.size(), 1u);
  files_.fault = [](std::string_view call) { return call == "sync_data" ? -EIO : 0; };
  gateway.offer("lost");
  gateway.settle();
  files_.fault = [](std::string_view) { return 0; };
  files_.calls.clear();
  ASSERT_EQ(gateway.answers.size(), 2u);
  EXPECT_EQ(gateway.answers[1].outcome, Outcome::kDroppedStopping)
      << "who asked by the control socket is told";
  ASSERT_NE(gateway.journal->failure(), nullptr);
  EXPECT_NE(gateway.journal->failure()->message.find("cannot sync"), std::string::npos);
  gateway.offer("after");
  gateway.settle();
  EXPECT_EQ(gateway.answers.back().outcome, Outcome::kDroppedStopping);
  EXPECT_EQ(gateway.journal->begin_sync(), nullptr);
  EXPECT_EQ(gateway.journal->begin_checkpoint(0, true), nullptr);
  EXPECT_TRUE(files_.calls.empty()) << "the disk was touched after it failed: " << files_.calls[0];
  EXPECT_EQ(gateway.counters.read(Outcome::kStored), 1u);
  EXPECT_EQ(gateway.counters.read(Outcome::kDroppedStopping), 2u);
}

TEST_F(JournalTest, AFullDiskRefusesBlocksAndRecovers) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("before");
  gateway.settle();
  files_.fault = [](std::string_view call) { return call == "allocate" ? -ENOSPC : 0; };
  // Three blocks under way: the first is refused for want of room, the others since they follow it.
  for (int i = 0; i < 12; ++i) gateway.offer("refused " + std::to_string(i) + std::string(4000, 'x'));
  gateway.settle();
  EXPECT_TRUE(gateway.journal->is_full());
  ASSERT_EQ(gateway.answers.size(), 13u);
  for (size_t i = 1; i < 13; ++i) EXPECT_EQ(gateway.answers[i].outcome, Outcome::kDroppedDiskFull);
  files_.fault = [](std::string_view) { return 0; };
  for (int i = 0; i < 12; ++i) gateway.offer("refused " + std::to_string(i) + std::string(4000, 'x'));
  gateway.settle();
  EXPECT_FALSE(gateway.journal->is_full());
  ASSERT_EQ(gateway.answers.size(), 25u);
  for (size_t i = 13; i < 25; ++i) {
    EXPECT_EQ(gateway.answers[i].outcome, Outcome::kStored) << i;
    EXPECT_EQ(gateway.answers[i].receipt.index, i - 12);
  }
  gateway.release();
  expect_verified(13);
  EXPECT_EQ(gateway.counters.received.read(),
            gateway.counters.read(Outcome::kStored) + gateway.counters.read(Outcome::kDroppedDiskFull));
}

TEST_F(JournalTest, LevelFilesThatFindTheDiskFullAreTakenBack) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("before");
  gateway.settle();
  for (int nth = 0; nth < 2; ++nth) {  // level 0, then the block index; the record itself has its room
    int left = nth;
    files_.fault = [&left](std::string_view call) { return call == "write" && left-- == 0 ? -ENOSPC : 0; };
    gateway.offer("again");
    gateway.settle();
    EXPECT_EQ(gateway.answers.back().outcome, Outcome::kDroppedDiskFull);
    files_.fault = [](std::string_view) { return 0; };
  }
  gateway.offer("again");
  gateway.settle();
  EXPECT_EQ(gateway.answers.back().outcome, Outcome::kStored);
  gateway.release();
  expect_verified(2);
}

TEST_F(JournalTest, ATornWriteEndsAcknowledging) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    gateway.offer("before");
    gateway.settle();
    gateway.release();
    int left = 2;
    files_.fault = [&left](std::string_view call) { return call == "write" && left-- == 0 ? -EIO : 0; };
    gateway.offer("torn" + std::string(8000, 'x'));
    gateway.settle();
    EXPECT_NE(gateway.journal->failure(), nullptr);
    ASSERT_EQ(gateway.answers.size(), 2u);
    EXPECT_EQ(gateway.answers[1].outcome, Outcome::kDroppedStopping);
    files_.fault = [](std::string_view) { return 0; };
  }
  Gateway again(files_, folder_.path, signer_, {});
  ASSERT_TRUE(again.is_open()) << again.error();
  EXPECT_EQ(again.journal->durable().tree_size, 1u);
  again.offer("torn");
  again.settle();
  EXPECT_EQ(again.answers.back().receipt.index, 1u);
}

TEST_F(JournalTest, SegmentsFollowEachOtherAndTheirStartIsDurable) {
  Gateway::Options options;
  options.segment_bytes = 16384;
  Gateway gateway(files_, folder_.path, signer_, options);
  for (int i = 0; i < 60; ++i) {
    gateway.offer(std::to_string(i) + std::string(900, 'p'));
    if (i % 4 == 3) gateway.settle();
  }
  gateway.release();
  EXPECT_GE(std::distance(fs::directory_iterator(folder_.path + "/journal"), fs::directory_iterator()), 4);
  expect_verified(60);
}

TEST_F(JournalTest, TimeNeverGoesBack) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.settle();
  gateway.unix_ns -= 1'000'000'000;
  gateway.offer("two");
  gateway.settle();
  gateway.release();
  expect_verified(2);
}

TEST_F(JournalTest, ACheckpointThatFindsTheDiskFullIsReleasedLater) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.settle();
  const std::string before = slurp(folder_.path + "/checkpoint");
  files_.fault = [](std::string_view call) { return call == "write" ? -ENOSPC : 0; };
  gateway.release();
  EXPECT_EQ(gateway.journal->failure(), nullptr);
  EXPECT_EQ(gateway.journal->checkpoint_size(), 0u);
  EXPECT_EQ(slurp(folder_.path + "/checkpoint"), before);
  files_.fault = [](std::string_view) { return 0; };
  gateway.release();
  EXPECT_EQ(gateway.journal->checkpoint_size(), 1u);
  expect_verified(1);
}

// What no checkpoint covers must not grow while the disk has no room for one.
TEST_F(JournalTest, ACheckpointThatFindsNoRoomForLongIsAFullDiskUntilThereIsRoom) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.settle();
  files_.fault = [](std::string_view call) { return call == "open" ? -ENOSPC : 0; };
  const auto try_to_release = [&](uint64_t now_ns) {
    if (SyncTask* const task = gateway.journal->begin_checkpoint(now_ns)) {
      task->run();
      gateway.journal->end(task);
    }
  };
  constexpr uint64_t kSecond = 1'000'000'000;
  try_to_release(10 * kSecond);
  EXPECT_FALSE(gateway.journal->is_full()) << "it may be late by a second";
  gateway.offer("two");
  gateway.settle();
  EXPECT_EQ(gateway.answers.back().outcome, Outcome::kStored);
  try_to_release(11 * kSecond + 1);
  EXPECT_TRUE(gateway.journal->is_full() && gateway.journal->is_late());
  for (int i = 0; i < 2; ++i) {
    gateway.offer("three");
    gateway.settle();
    EXPECT_EQ(gateway.answers.back().outcome, Outcome::kDroppedDiskFull);
  }
  EXPECT_EQ(gateway.journal->failure(), nullptr);
  files_.fault = [](std::string_view) { return 0; };
  try_to_release(13 * kSecond);
  EXPECT_FALSE(gateway.journal->is_full());
  EXPECT_EQ(gateway.journal->checkpoint_size(), 2u);
  gateway.offer("three");
  gateway.settle();
  EXPECT_EQ(gateway.answers.back().receipt.index, 2u);
}

TEST_F(JournalTest, AFullDiskIsSeenToHaveRoomAgainWithoutATransaction) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("before");
  gateway.settle();
  files_.fault = [](std::string_view call) { return call == "allocate" ? -ENOSPC : 0; };
  gateway.offer("refused" + std::string(8000, 'x'));
  gateway.settle();
  gateway.journal->look_for_room(10'000'000'000);
  EXPECT_TRUE(gateway.journal->is_full());
  files_.fault = [](std::string_view) { return 0; };
  gateway.journal->look_for_room(12'000'000'000);
  EXPECT_FALSE(gateway.journal->is_full());
}

TEST_F(JournalTest, ACheckpointIsRenamedOnlyAfterItsFileIsSynced) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.settle();
  files_.calls.clear();
  gateway.release();
  EXPECT_EQ(files_.calls, (std::vector<std::string>{"open", "write", "sync_data", "rename", "open", "sync"}));
}

TEST_F(JournalTest, GivesARepeatTheLeafHashOfTheFirst) {
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.offer("two");
  gateway.settle();
  Answer answer;
  answer.receipt.index = 1;
  ASSERT_TRUE(gateway.journal->complete(answer));
  EXPECT_EQ(answer.receipt.leaf_hash, crypto::sha256_leaf(bytes_of("two")));
  answer.receipt.index = 2;
  EXPECT_FALSE(gateway.journal->complete(answer));
  std::string tiles = slurp(folder_.path + "/tiles/0");
  tiles[40] ^= 1;
  std::fstream(folder_.path + "/tiles/0", std::ios::binary | std::ios::in | std::ios::out) << tiles;
  answer.receipt.index = 1;
  EXPECT_FALSE(gateway.journal->complete(answer)) << "a receipt must not speak of what has rotted";
}

}  // namespace
}  // namespace sluice::ledger::test
