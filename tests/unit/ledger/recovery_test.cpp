#include "ledger/recovery.h"

#include <map>

#include "ledger/record_reader.h"
#include "ledger/verify.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

namespace fs = std::filesystem;

class RecoveryTest : public ::testing::Test {
 protected:
  void copy_log() {
    fs::remove_all(copy_.path);
    fs::copy(folder_.path, copy_.path, fs::copy_options::recursive);
  }
  void expect_verified(const std::string& path) {
    auto engine = openssl_engine();
    const auto report = verify_log(path, "", engine);
    EXPECT_TRUE(report) << report.error().to_string();
  }

  Folder folder_;
  Folder copy_;
  PosixFileSystem files_;
  crypto::NoteSigner signer_ = make_signer();
};

// Whatever of the last block reached the disk: all before it is there, nothing is renumbered, and what was
// acknowledged of it (nothing) is not missed.
TEST_F(RecoveryTest, CutsATornTailAtEveryByteOfTheLastBlock) {
  uint64_t last_record = 0;
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    for (int i = 0; i < 8; ++i) gateway.offer("acknowledged " + std::to_string(i));
    gateway.settle();
    gateway.release();
    last_record = 2 * kRecordAlignment;
    for (int i = 0; i < 4; ++i) gateway.offer("torn " + std::to_string(i));
    gateway.settle();
  }
  const std::string segment = slurp(folder_.path + "/journal/00000000");
  const auto record = Record::parse(bytes_of(segment).subspan(last_record));
  ASSERT_TRUE(record);
  const uint64_t length = sizeof(RecordHead) + record->payloads().size() + 4 * sizeof(RecordEntry);
  for (uint64_t kept = 0; kept <= length; ++kept) {
    for (const bool is_cut : {true, false}) {  // a file that ends there, or zeros from there on
      copy_log();
      std::string torn = segment.substr(0, last_record + kept);
      if (!is_cut) torn.resize(segment.size(), '\0');
      spill(copy_.path + "/journal/00000000", torn);
      // The last byte of a record is a zero, which zeros do not tear.
      torn.resize(segment.size(), '\0');
      const bool is_whole = is_cut ? kept == length : torn == segment;
      Gateway gateway(files_, copy_.path, signer_, {});
      ASSERT_TRUE(gateway.is_open()) << kept << ": " << gateway.error();
      ASSERT_EQ(gateway.journal->durable().tree_size, is_whole ? 12u : 8u) << kept;
      if (kept % 16 != 0) continue;
      EXPECT_EQ(gateway.offer("acknowledged 3"), Decision::kAnswered);
      EXPECT_EQ(gateway.answers.back().receipt.index, 3u);
      gateway.offer("new");
      gateway.settle();
      EXPECT_EQ(gateway.answers.back().receipt.index, is_whole ? 12u : 8u);
      gateway.release();
      gateway.journal = nullptr;
      expect_verified(copy_.path);
    }
  }
}

TEST_F(RecoveryTest, RefusesALogThatEndsBeforeItsCheckpoint) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    for (int i = 0; i < 8; ++i) gateway.offer("released " + std::to_string(i));
    gateway.settle();
    gateway.release();
  }
  std::string segment = slurp(folder_.path + "/journal/00000000");
  segment[kRecordAlignment + 200] ^= 1;
  spill(folder_.path + "/journal/00000000", segment);
  Gateway gateway(files_, folder_.path, signer_, {});
  ASSERT_FALSE(gateway.is_open());
  EXPECT_NE(gateway.error().find("ends after 4 transactions, but the released checkpoint covers 8"),
            std::string::npos)
      << gateway.error();
  // Refused, not mended: the bytes are as they were.
  EXPECT_EQ(slurp(folder_.path + "/journal/00000000"), segment);
}

TEST_F(RecoveryTest, RefusesAJournalWithoutACheckpoint) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    gateway.offer("one");
    gateway.settle();
  }
  fs::remove(folder_.path + "/checkpoint");
  Gateway gateway(files_, folder_.path, signer_, {});
  EXPECT_NE(gateway.error().find("checkpoint is missing"), std::string::npos) << gateway.error();
}

TEST_F(RecoveryTest, RefusesACheckpointOfAnotherTree) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    gateway.offer("one");
    gateway.settle();
    gateway.release();
  }
  Folder other;
  {
    Gateway gateway(files_, other.path, signer_, {});
    gateway.offer("another");
    gateway.settle();
    gateway.release();
  }
  fs::copy_file(other.path + "/checkpoint", folder_.path + "/checkpoint",
                fs::copy_options::overwrite_existing);
  Gateway gateway(files_, folder_.path, signer_, {});
  EXPECT_NE(gateway.error().find("does not extend"), std::string::npos) << gateway.error();
}

// Level files are rebuilt whatever happened to them, over several segments and block by block.
TEST_F(RecoveryTest, RebuildsLevelFilesFromTheJournal) {
  Gateway::Options options;
  options.limits.seal = {100, 1 << 20};
  options.segment_bytes = 16384;
  {
    Gateway gateway(files_, folder_.path, signer_, options);
    for (int i = 0; i < 1000; ++i) {
      gateway.offer("p" + std::to_string(i));
      if (i % 70 == 0) gateway.settle();
    }
    gateway.settle();
    gateway.release();
  }
  std::map<std::string, std::string> whole;
  for (const auto& entry : fs::directory_iterator(folder_.path + "/tiles"))
    whole[entry.path().filename().string()] = slurp(entry.path());
  ASSERT_EQ(whole["0"].size(), 32000u);
  ASSERT_EQ(whole["1"].size(), 96u);
  const auto expect_rebuilt = [&](const char* why) {
    {
      Gateway gateway(files_, folder_.path, signer_, options);
      ASSERT_TRUE(gateway.is_open()) << why << ": " << gateway.error();
      EXPECT_EQ(gateway.journal->durable().tree_size, 1000u);
    }
    for (const auto& [name, bytes] : whole)
      EXPECT_EQ(slurp(folder_.path + "/tiles/" + name), bytes) << why << name;
    expect_verified(folder_.path);
  };
  expect_rebuilt("untouched");
  fs::remove_all(folder_.path + "/tiles");
  fs::remove(folder_.path + "/vkey");
  expect_rebuilt("removed");
  spill(folder_.path + "/tiles/0", whole["0"].substr(0, 20000));
  expect_rebuilt("cut");
  spill(folder_.path + "/tiles/0", whole["0"] + std::string(500, 'x'));
  spill(folder_.path + "/tiles/blocks", whole["blocks"] + std::string(48, '\xff'));
  expect_rebuilt("too long");
  std::string zeros = whole["1"];
  std::fill(zeros.begin(), zeros.end(), '\0');
  spill(folder_.path + "/tiles/1", zeros);
  expect_rebuilt("zeroed");
}

// What a copy of the index and the tiles may have caught, and what a disk may do to them: over segments.
TEST_F(RecoveryTest, PutsRightWhateverIndexAndTilesOfOlderSegmentsHold) {
  Gateway::Options options;
  options.limits.seal = {100, 1 << 20};
  options.segment_bytes = 16384;
  options.window = 5;
  {
    Gateway gateway(files_, folder_.path, signer_, options);
    for (int i = 0; i < 3000; ++i) {
      gateway.offer("p" + std::to_string(i));
      if (i % 70 == 0) gateway.settle();
    }
    gateway.settle();
    gateway.release();
  }
  ASSERT_TRUE(fs::exists(folder_.path + "/journal/00000010"));
  std::map<std::string, std::string> whole;
  for (const auto& entry : fs::directory_iterator(folder_.path + "/tiles"))
    whole[entry.path().filename().string()] = slurp(entry.path());
  const auto expect_right_again = [&](const std::string& why) {
    {
      Gateway gateway(files_, folder_.path, signer_, options);
      ASSERT_TRUE(gateway.is_open()) << why << ": " << gateway.error();
      EXPECT_EQ(gateway.journal->durable().tree_size, 3000u);
      for (const std::string& notice : gateway.journal->notices())
        EXPECT_NE(notice.find("/tiles"), std::string::npos) << why << ": " << notice;
    }
    for (const auto& [name, bytes] : whole)
      ASSERT_EQ(slurp(folder_.path + "/tiles/" + name), bytes) << why << ": " << name;
  };
  for (size_t blocks = 0; blocks < whole["blocks"].size() / 16; ++blocks) {
    spill(folder_.path + "/tiles/blocks", whole["blocks"].substr(0, blocks * 16));
    expect_right_again("index of " + std::to_string(blocks) + " blocks");
  }
  // The last full tile of each level ends at 2816 leaves: what lies behind is the newest segments'.
  for (size_t at = 0; at < 2816 * 32; at += 997) {
    std::string flipped = whole["0"];
    flipped[at] ^= 1;
    spill(folder_.path + "/tiles/0", flipped);
    expect_right_again("level 0, byte " + std::to_string(at));
  }
  for (size_t at = 0; at < whole["1"].size(); at += 13) {
    std::string flipped = whole["1"];
    flipped[at] ^= 1;
    spill(folder_.path + "/tiles/1", flipped);
    expect_right_again("level 1, byte " + std::to_string(at));
  }
  expect_verified(folder_.path);
}

// The window is read by way of the index, whose word is not taken.
TEST_F(RecoveryTest, AWrongPlaceInTheIndexIsPutRightWhileTheWindowIsRead) {
  Gateway::Options options;
  options.segment_bytes = 8192;
  {
    Gateway gateway(files_, folder_.path, signer_, options);
    for (int i = 0; i < 40; ++i) gateway.offer("p" + std::to_string(i)), gateway.settle();
    gateway.release();
  }
  const std::string whole = slurp(folder_.path + "/tiles/blocks");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] ^= 1;
    spill(folder_.path + "/tiles/blocks", flipped);
    Gateway gateway(files_, folder_.path, signer_, options);
    ASSERT_TRUE(gateway.is_open()) << at << ": " << gateway.error();
    ASSERT_EQ(slurp(folder_.path + "/tiles/blocks"), whole) << at;
    ASSERT_FALSE(gateway.journal->notices().empty()) << at;
    ASSERT_EQ(gateway.offer("p0"), Decision::kAnswered);
  }
}

// As a start leaves them that lost power while it rebuilt the index, in blocks that the window has left.
TEST_F(RecoveryTest, HolesInTheIndexAreFilledWhereNoWindowReaches) {
  Gateway::Options options;
  options.segment_bytes = 8192;
  options.window = 8;
  {
    Gateway gateway(files_, folder_.path, signer_, options);
    for (int i = 0; i < 100; ++i) gateway.offer("p" + std::to_string(i)), gateway.settle();
    gateway.release();
  }
  ASSERT_TRUE(fs::exists(folder_.path + "/journal/00000002"));
  const std::string whole = slurp(folder_.path + "/tiles/blocks");
  for (size_t block = 0; block < whole.size() / 16; ++block) {
    for (const char lost : {'\0', '\xff'}) {
      std::string holed = whole;
      holed.replace(block * 16, 16, 16, lost);
      spill(folder_.path + "/tiles/blocks", holed);
      Gateway gateway(files_, folder_.path, signer_, options);
      ASSERT_TRUE(gateway.is_open()) << block << ": " << gateway.error();
      ASSERT_EQ(slurp(folder_.path + "/tiles/blocks"), whole) << block;
    }
  }
  expect_verified(folder_.path);
}

TEST_F(RecoveryTest, RefusesEveryCheckpointThatVerifyRefuses) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    gateway.offer("one");
    gateway.settle();
    gateway.release();
  }
  const std::string path = folder_.path + "/checkpoint";
  const std::string note = slurp(path);
  const std::string text = note.substr(0, note.find("\n\n") + 1);
  const crypto::NoteSigner witness = make_signer("witness.example");
  const std::string cosigned = *witness.sign(text);
  const std::string cosignature = cosigned.substr(cosigned.find("\n\n") + 2);
  for (const std::string& wrong :
       {*signer_.sign(text + "an extension line\n"), note + cosignature, note + note.substr(text.size() + 1),
        cosigned, note.substr(0, note.size() - 1), note + "\n", std::string(), "\n" + note}) {
    spill(path, wrong);
    auto engine = openssl_engine();
    const auto report = verify_log(folder_.path, "", engine);
    ASSERT_FALSE(report) << wrong;
    Gateway gateway(files_, folder_.path, signer_, {});
    EXPECT_NE(gateway.error().find("checkpoint: byte "), std::string::npos) << gateway.error();
    EXPECT_TRUE(wrong.empty() || gateway.error().find(report.error().what) != std::string::npos);
    EXPECT_EQ(slurp(path), wrong);
  }
}

TEST_F(RecoveryTest, ANewSegmentThatIsEmptyIsGoneOnWith) {
  Gateway::Options options;
  options.segment_bytes = 8192;
  {
    Gateway gateway(files_, folder_.path, signer_, options);
    for (int i = 0; i < 16; ++i) gateway.offer("p" + std::to_string(i));
    gateway.settle();
    gateway.release();
  }
  ASSERT_TRUE(fs::exists(folder_.path + "/journal/00000001"));
  spill(folder_.path + "/journal/00000002", std::string(8192, '\0'));
  Gateway gateway(files_, folder_.path, signer_, options);
  ASSERT_TRUE(gateway.is_open()) << gateway.error();
  gateway.offer("next");
  gateway.settle();
  EXPECT_EQ(gateway.answers.back().receipt.index, 16u);
  EXPECT_EQ(gateway.answers.back().receipt.block, 4u);
  gateway.release();
  gateway.journal = nullptr;
  expect_verified(folder_.path);
}

// The window after a restart is the one before it, so a repeat gets the receipt that the first one got.
TEST_F(RecoveryTest, TheWindowSurvivesARestart) {
  Gateway::Options options;
  options.window = 20;
  options.segment_bytes = 8192;
  std::map<uint64_t, Receipt> receipts;
  {
    Gateway gateway(files_, folder_.path, signer_, options);
    for (uint64_t i = 0; i < 50; ++i) {
      gateway.offer("p" + std::to_string(i), i);
      if (i % 3 == 0) gateway.settle();
    }
    gateway.settle();
    for (const Answer& answer : gateway.answers) receipts[answer.requester.ticket] = answer.receipt;
  }
  ASSERT_EQ(receipts.size(), 50u);
  Gateway gateway(files_, folder_.path, signer_, options);
  ASSERT_TRUE(gateway.is_open()) << gateway.error();
  for (uint64_t i = 30; i < 50; ++i) {
    ASSERT_EQ(gateway.offer("p" + std::to_string(i), i), Decision::kAnswered) << i;
    const Receipt& receipt = gateway.answers.back().receipt;
    EXPECT_EQ(receipt.index, receipts[i].index);
    EXPECT_EQ(receipt.block, receipts[i].block);
    EXPECT_EQ(receipt.tree_size, receipts[i].tree_size);
    EXPECT_EQ(receipt.txid, receipts[i].txid);
    EXPECT_EQ(receipt.leaf_hash, receipts[i].leaf_hash);
  }
  EXPECT_EQ(gateway.offer("p29"), Decision::kUnderWay);
}

}  // namespace
}  // namespace sluice::ledger::test
