#include "ledger/verify.h"

#include <atomic>
#include <thread>

#include "ledger/log_reader.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

namespace fs = std::filesystem;

class Verify : public ::testing::Test {
 protected:
  Verify() {
    Gateway::Options options;
    options.limits.seal.transactions = 5;
    Gateway gateway(files_, folder_.path, signer_, options);
    EXPECT_TRUE(gateway.is_open()) << gateway.error();
    for (int i = 0; i < 9; ++i) gateway.offer("payload " + std::to_string(i));
    gateway.settle();
    gateway.release();
  }
  auto verify() {
    auto engine = openssl_engine();
    return verify_log(folder_.path, "", engine);
  }

  Folder folder_;
  PosixFileSystem files_;
  crypto::NoteSigner signer_ = make_signer();
};

TEST_F(Verify, PassesAWholeLog) {
  const auto report = verify();
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->tree_size, 9u);
  EXPECT_EQ(report->blocks, 2u);
  EXPECT_EQ(report->checkpoint_size, 9u);
}

TEST_F(Verify, PassesSegmentsThatEndWithRoomThatWasReserved) {
  Folder folder;
  {
    Gateway::Options options;
    options.segment_bytes = 3 * kRecordAlignment;
    options.allocate_bytes = 4 * kRecordAlignment;
    Gateway gateway(files_, folder.path, signer_, options);
    for (int i = 0; i < 7; ++i) {
      gateway.offer("block " + std::to_string(i));
      gateway.settle();
    }
    gateway.release();
  }
  ASSERT_TRUE(fs::exists(folder.path + "/journal/00000002"));
  auto engine = openssl_engine();
  const auto report = verify_log(folder.path, "", engine);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->blocks, 7u);
}

TEST_F(Verify, TakesTheKeyItIsGiven) {
  auto engine = openssl_engine();
  EXPECT_TRUE(verify_log(folder_.path, signer_.verifier().line(), engine));
  const auto other = verify_log(folder_.path, make_signer().verifier().line(), engine);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().file, "vkey");
}

// The place that is named may be the record's start for bytes under its checksum, never another file.
TEST_F(Verify, FindsEveryFlippedByteAndNamesItsFile) {
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path)) {
    if (!entry.is_regular_file() || entry.path().filename() == "lock") continue;
    const std::string name = fs::relative(entry.path(), folder_.path).string();
    const std::string whole = slurp(entry.path());
    for (size_t at = 0; at < whole.size(); ++at) {
      std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(whole[at] ^ 0x20)).flush();
      const auto report = verify();
      ASSERT_FALSE(report) << name << ": byte " << at;
      // A broken key shows at the key itself; nothing else points elsewhere.
      EXPECT_EQ(report.error().file, name) << "byte " << at << ": " << report.error().to_string();
      EXPECT_LE(report.error().place, at) << report.error().to_string();
      EXPECT_GT(report.error().place + 4096, at) << report.error().to_string();
      file.seekp(static_cast<std::streamoff>(at)).put(whole[at]);
    }
  }
  EXPECT_TRUE(verify());
}

TEST_F(Verify, FindsWhatIsMissingOrTooMuch) {
  for (const char* name : {"journal/00000000", "tiles/0", "tiles/blocks", "checkpoint", "vkey"}) {
    const fs::path path = fs::path(folder_.path) / name;
    const std::string whole = slurp(path);
    spill(path, whole.substr(0, whole.size() / 2 + 1));
    EXPECT_FALSE(verify()) << name << " cut";
    spill(path, whole + "x");
    EXPECT_FALSE(verify()) << name << " grown";
    fs::remove(path);
    EXPECT_FALSE(verify()) << name << " removed";
    spill(path, whole);
  }
  spill(fs::path(folder_.path) / "journal/00000002", "");
  EXPECT_FALSE(verify()) << "a segment out of order";
}

// As a copy of a running log, or one that a crash has left: `lock` names a process, or is not there.
TEST_F(Verify, ChecksALogThatWasNotLeftWholeUpToItsCheckpoint) {
  const fs::path segment = fs::path(folder_.path) / "journal/00000000";
  std::string torn = slurp(segment);
  torn.replace(2 * 4096, 20, "SLBK of a torn write");
  spill(segment, torn);
  spill(fs::path(folder_.path) / "tiles/0", slurp(fs::path(folder_.path) / "tiles/0") + std::string(64, 'x'));
  EXPECT_FALSE(verify()) << "`lock` says that it was left whole";
  spill(fs::path(folder_.path) / "lock", "4711\n");
  EXPECT_TRUE(verify());
  EXPECT_FALSE(verify()->was_left_whole);
  fs::remove(fs::path(folder_.path) / "lock");
  EXPECT_TRUE(verify());
  torn[4096 + 300] ^= 1;  // covered
  spill(segment, torn);
  const auto report = verify();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().file, "journal/00000000");
}

TEST_F(Verify, ALockIsNotWantedOfAnybodyWhoStartsMeanwhile) {
  std::atomic<bool> stops{false};
  std::thread verifier([&] {
    while (!stops) EXPECT_TRUE(verify());
  });
  for (int round = 0; round < 200; ++round) {
    Gateway gateway(files_, folder_.path, signer_, {});
    ASSERT_TRUE(gateway.is_open()) << gateway.error();
    gateway.offer("round " + std::to_string(round));
    gateway.settle();
    if (round % 2 == 0) gateway.release();
  }
  stops = true;
  verifier.join();
}

TEST_F(Verify, ChecksALogInUseUpToItsCheckpoint) {
  Gateway gateway(files_, folder_.path, signer_, {});
  ASSERT_TRUE(gateway.is_open()) << gateway.error();
  gateway.offer("not covered yet");
  gateway.settle();
  const auto report = verify();
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->tree_size, 9u);
}

}  // namespace
}  // namespace sluice::ledger::test
