#include "ledger/log_reader.h"

#include <sstream>

#include "crypto/encoding.h"
#include "ledger/export.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

class LogReaderTest : public ::testing::Test {
 protected:
  LogReaderTest() : gateway_(files_, folder_.path, make_signer(), options()) {
    for (int i = 0; i < 300; ++i) gateway_.offer("p" + std::to_string(i));
    gateway_.settle();
    gateway_.release();
    for (int i = 300; i < 600; ++i) gateway_.offer("p" + std::to_string(i));
    gateway_.settle();  // durable, but no checkpoint covers it
  }
  static Gateway::Options options() {
    Gateway::Options options;
    options.limits = {{120, 1 << 20}, 1000, 8, 8};
    return options;
  }
  LogReader reader() { return std::move(*LogReader::open(files_, folder_.path)); }

  Folder folder_;
  PosixFileSystem files_;
  Gateway gateway_;
};

TEST_F(LogReaderTest, ServesTilesThatTheCheckpointCovers) {
  LogReader log = reader();
  for (const char* text :
       {"0/000", "0/001.p/44", "0/001.p/1", "0/000.p/255", "1/000.p/1", "entries/000", "entries/001.p/44"}) {
    const auto tile = log.tile(*TilePath::parse(text));
    ASSERT_TRUE(tile) << tile.error().message;
    EXPECT_TRUE(*tile) << text;
  }
  for (const char* text : {"0/001", "0/001.p/45", "0/002.p/1", "1/000.p/2", "1/000", "2/000.p/1", "8/000.p/1",
                           "63/000", "entries/001.p/45", "entries/001", "0/x999/x999/x999/x999/x999/999"}) {
    const auto tile = log.tile(*TilePath::parse(text));
    ASSERT_TRUE(tile) << tile.error().message;
    EXPECT_FALSE(*tile) << text;
  }
}

TEST_F(LogReaderTest, ServesOldPartialTilesAndTheirFullOneAfterMoreCameIn) {
  gateway_.release();
  LogReader log = reader();
  EXPECT_EQ(*log.size(), 600u);
  EXPECT_EQ((**log.tile(*TilePath::parse("0/001.p/44"))).size(), 44u * 32);
  EXPECT_EQ((**log.tile(*TilePath::parse("0/001"))).size(), 256u * 32);
}

TEST_F(LogReaderTest, ServesBlocksThatTheCheckpointCovers) {
  LogReader log = reader();
  crypto::Digest previous{};
  for (uint64_t number = 0; number < 3; ++number) {
    const auto block = log.block(number);
    ASSERT_TRUE(block && *block) << number;
    EXPECT_EQ((*block)->metadata.first_index, number * 120);
    EXPECT_EQ((*block)->leaf_hashes.size(), number == 2 ? 60u : 120u);
    EXPECT_EQ((*block)->leaf_hashes[0], crypto::sha256_leaf(bytes_of("p" + std::to_string(number * 120))));
    EXPECT_EQ((*block)->header.previous_hash.has_value(), number > 0);
    EXPECT_TRUE(number == 0 || (*block)->header.previous_hash == previous);
    EXPECT_EQ((*block)->hash, crypto::sha256((*block)->header_der));
    previous = (*block)->hash;
  }
  EXPECT_FALSE(*log.block(3)) << "durable, not yet released";
  EXPECT_FALSE(*log.block(1000));
}

TEST_F(LogReaderTest, ProvesEveryCoveredLeaf) {
  LogReader log = reader();
  const auto note = Checkpoint::parse(*log.checkpoint());
  for (uint64_t index = 0; index < 300; ++index) {
    const auto text = log.proof(index);
    ASSERT_TRUE(text && *text);
    std::istringstream lines(**text);
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, "c2sp.org/tlog-proof@v1");
    std::getline(lines, line);
    EXPECT_EQ(line, "index " + std::to_string(index));
    crypto::Proof proof;
    while (std::getline(lines, line) && !line.empty()) {
      const auto bytes = crypto::from_base64(line);
      ASSERT_TRUE(bytes && bytes->size() == 32);
      proof.push_back(load<crypto::Digest>(bytes->data()));
    }
    const auto leaf = crypto::sha256_leaf(bytes_of("p" + std::to_string(index)));
    EXPECT_TRUE(crypto::inclusion_holds(index, note->size, leaf, proof, note->root)) << index;
  }
  EXPECT_FALSE(*log.proof(300));
}

TEST_F(LogReaderTest, ExportsOnlyIntoAnEmptyPlace) {
  LogReader log = reader();
  const std::string target = folder_.path + "/export";
  EXPECT_EQ(*export_log(files_, log, target), 1u + 2 + 2 + 1);
  EXPECT_FALSE(export_log(files_, log, target));
}

TEST_F(LogReaderTest, AnEmptyPlaceIsNoLog) {
  Folder empty;
  EXPECT_FALSE(LogReader::open(files_, empty.path));
}

}  // namespace
}  // namespace sluice::ledger::test
