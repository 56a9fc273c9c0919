#include "ledger/log_reader.h"

#include <map>
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

// Tiles are served as something that never changes: rather none than a wrong one, and the journal is not
// blamed.
TEST_F(LogReaderTest, ServesNoTileThatHasRotted) {
  gateway_.release();
  LogReader log = reader();
  std::map<std::string, std::string> right;
  for (const char* text : {"0/000", "0/001", "0/002.p/88", "0/002.p/3", "1/000.p/2", "1/000.p/1"})
    right[text] = **log.tile(*TilePath::parse(text));
  for (const char* name : {"0", "1"}) {
    const std::string path = folder_.path + "/tiles/" + name;
    const std::string whole = slurp(path);
    for (size_t at = 0; at < whole.size(); at += 61) {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(whole[at] ^ 1)).flush();
      unsigned refused = 0;
      for (const auto& [text, bytes] : right) {
        const auto tile = log.tile(*TilePath::parse(text));
        if (tile) {
          ASSERT_EQ(**tile, bytes) << name << ", byte " << at << ": " << text;
        } else {
          ++refused;
          EXPECT_NE(tile.error().message.find("/tiles/"), std::string::npos) << tile.error().message;
        }
      }
      EXPECT_GT(refused, 0u) << name << ", byte " << at;
      EXPECT_TRUE(std::string(name) == "1" || !log.proof(at / 32)) << at;
      file.seekp(static_cast<std::streamoff>(at)).put(whole[at]);
    }
  }
}

TEST_F(LogReaderTest, FindsBlocksAndEntriesWhateverTheIndexSays) {
  gateway_.release();
  LogReader log = reader();
  const std::string entries = **log.tile(*TilePath::parse("entries/001"));
  const std::string path = folder_.path + "/tiles/blocks";
  const std::string whole = slurp(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(whole[at] ^ 1)).flush();
    const auto tile = log.tile(*TilePath::parse("entries/001"));
    if (tile) {
      EXPECT_EQ(**tile, entries) << at;
    } else {
      EXPECT_NE(tile.error().message.find("/tiles/blocks"), std::string::npos) << tile.error().message;
    }
    for (uint64_t number = 0; number < 6; ++number) {
      const auto block = log.block(number);
      if (!block) {
        EXPECT_NE(block.error().message.find("tiles/blocks"), std::string::npos) << block.error().message;
      } else if (*block) {
        EXPECT_EQ((*block)->number, number);
        EXPECT_EQ((*block)->header.number, number);
      }
    }
    file.seekp(static_cast<std::streamoff>(at)).put(whole[at]);
  }
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
