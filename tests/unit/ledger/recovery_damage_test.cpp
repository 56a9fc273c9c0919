// Damaged journals: what a crash may leave behind is cut, what was durable is not.
#include <algorithm>
#include <map>
#include <random>

#include "ledger/record_reader.h"
#include "ledger/verify.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kUnit = kRecordAlignment;

/// Every file but the lock.
std::map<std::string, std::string> bytes_of_all(const std::string& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != "lock")
      all[fs::relative(entry.path(), folder).string()] = slurp(entry.path());
  return all;
}

class DamagedJournal : public ::testing::Test {
 protected:
  DamagedJournal() {
    options_.limits = {{3, 1 << 20}, 1000, 8, 64};
    options_.window = 1000;
  }
  std::string segment() const { return folder_.path + "/journal/00000000"; }
  std::string verify() {
    auto engine = openssl_engine();
    const auto report = verify_log(folder_.path, "", engine);
    return report ? "" : report.error().to_string();
  }
  /// One transaction a block, each durable before the next, no checkpoint of them, as after kill -9.
  void write_blocks(int count) {
    Gateway gateway(files_, folder_.path, signer_, options_);
    for (int i = 0; i < count; ++i) {
      gateway.offer("block " + std::to_string(i));
      gateway.settle();
    }
  }
  void expect_goes_on(uint64_t size, const char* notice) {
    {
      Gateway gateway(files_, folder_.path, signer_, options_);
      ASSERT_TRUE(gateway.is_open()) << gateway.error();
      EXPECT_EQ(gateway.journal->durable().tree_size, size);
      ASSERT_EQ(gateway.journal->notices().size(), 1u);
      EXPECT_NE(gateway.journal->notices()[0].find(notice), std::string::npos)
          << gateway.journal->notices()[0];
      gateway.offer("after");
      gateway.settle();
      EXPECT_EQ(gateway.answers.back().receipt.index, size);
      gateway.release();
    }
    EXPECT_EQ(verify(), "");
  }
  void expect_refused(const std::string& words) {
    const auto before = bytes_of_all(folder_.path);
    {
      Gateway gateway(files_, folder_.path, signer_, options_);
      ASSERT_FALSE(gateway.is_open());
      EXPECT_NE(gateway.error().find(words), std::string::npos) << gateway.error();
    }
    EXPECT_EQ(bytes_of_all(folder_.path), before) << "a refused start changes nothing";
  }

  Folder folder_;
  PosixFileSystem files_;
  crypto::NoteSigner signer_ = make_signer();
  Gateway::Options options_;
};

TEST_F(DamagedJournal, GarbageBehindTheLastRecordIsCutBeforeAnythingIsAppended) {
  std::mt19937 random(1);
  std::string noise(3 * kUnit + 77, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  std::string long_head = std::string("SLBK\0\0\0\0\xff\xff\xff\xff\0\0\0\x01", 16) + noise;
  std::string length_of_a_head = "SLBK" + noise;
  write_blocks(4);
  const size_t size = slurp(segment()).size();
  for (const std::string& garbage :
       {noise, long_head, length_of_a_head, std::string("x"), std::string(5000, 'S')}) {
    for (const bool is_cut : {false, true}) {
      std::string damaged = slurp(segment()).substr(0, 4 * kUnit) + garbage;
      if (!is_cut) damaged.resize(std::max(damaged.size(), size), '\0');
      spill(segment(), damaged);
      const std::string notice =
          "byte 16384: cut off a torn tail of " + std::to_string(garbage.size()) + " bytes, ";
      expect_goes_on(4, notice.c_str());
      fs::remove_all(folder_.path);
      fs::create_directory(folder_.path);
      write_blocks(4);
    }
  }
}

TEST_F(DamagedJournal, GarbageInTheRoomBehindARecordIsMadeZeroAgain) {
  write_blocks(4);
  std::string damaged = slurp(segment());
  damaged.replace(2 * kUnit - 9, 9, "not zeros");  // behind the second record
  spill(segment(), damaged);
  expect_goes_on(4, "made ");
}

TEST_F(DamagedJournal, ARecordThatALaterOneKnewToBeDurableIsNotCut) {
  write_blocks(6);
  const std::string whole = slurp(segment());
  // Magic, checksum, length, count, sizes, metadata, header, state, payload, table.
  for (const size_t at : {0, 5, 9, 15, 19, 23, 30, 100, 161, 163, 165, 170, 176}) {
    for (const size_t block : {0, 2, 4}) {
      std::string damaged = whole;
      damaged[block * kUnit + at] ^= 0x41;
      spill(segment(), damaged);
      expect_refused("byte " + std::to_string(block * kUnit) + ": the record of block " +
                     std::to_string(block) + " is damaged, and the one at byte " +
                     std::to_string((block + 1) * kUnit));
    }
  }
  for (const char byte : {'\0', 'x'}) {  // two sectors that are gone
    std::string damaged = whole;
    damaged.replace(kUnit, 2 * kUnit, std::string(2 * kUnit, byte));
    spill(segment(), damaged);
    expect_refused("byte 4096: the record of block 1 is damaged");
  }
  // The last: nothing says that it was durable.
  std::string damaged = whole;
  damaged[5 * kUnit + 170] ^= 1;
  spill(segment(), damaged);
  expect_goes_on(5, "cut off a torn tail");
}

TEST_F(DamagedJournal, BlocksThatWereUnderWayTogetherMayBeTornInAnyOrder) {
  {
    Gateway gateway(files_, folder_.path, signer_, options_);
    gateway.offer("durable");
    gateway.settle();
    for (int i = 0; i < 4; ++i) {
      gateway.offer("under way " + std::to_string(i));
      gateway.append();
    }
    // The copy of this moment is what a power cut may leave.
    fs::copy(folder_.path, folder_.path + "-copy", fs::copy_options::recursive);
    gateway.sync();
    gateway.collect();
  }
  fs::remove_all(folder_.path);
  fs::rename(folder_.path + "-copy", folder_.path);
  std::string damaged = slurp(segment());
  damaged.replace(2 * kUnit, kUnit, std::string(kUnit, '\0'));
  spill(segment(), damaged);
  expect_goes_on(2, "byte 8192: cut off a torn tail");
}

// A stranger whose block is torn must not be able to keep the gateway from starting.
TEST_F(DamagedJournal, ARecordInsideAPayloadIsNotBelieved) {
  write_blocks(3);
  std::string forged = slurp(segment()).substr(2 * kUnit, kUnit);  // says that two blocks were durable
  forged[80 + 2 + 2] = 100;                                        // as block 100: the DER's number
  forged[164] ^= 1;                                                // the mark cannot be known
  const uint32_t crc = record_checksum(bytes_of(forged).first(load<Be32>(&forged[8]).host()));
  store(&forged[4], Be32::from_host(crc));
  ASSERT_TRUE(Record::parse(bytes_of(forged)));
  std::string payload(kUnit - sizeof(RecordHead), 'p');
  {
    Gateway gateway(files_, folder_.path, signer_, options_);
    gateway.offer(payload + forged + std::string(100, 'q'));
    gateway.settle();
  }
  std::string damaged = slurp(segment());
  ASSERT_EQ(damaged.substr(4 * kUnit, 4), "SLBK");
  damaged.replace(3 * kUnit, kUnit, std::string(kUnit, '\0'));
  spill(segment(), damaged);
  expect_goes_on(3, "cut off a torn tail");
}

/// As Sluice wrote records before they said what was durable.
void make_version_0(std::string& segment) {
  for (size_t at = 0; at < segment.size() && segment[at] == 'S';) {
    const uint32_t length = load<Be32>(&segment[at + 8]).host();
    std::fill_n(segment.begin() + static_cast<ptrdiff_t>(at + 161), 7, '\0');
    store(&segment[at + 4], Be32::from_host(record_checksum(bytes_of(segment).subspan(at, length))));
    at += record_span(length);
  }
}

TEST_F(DamagedJournal, AJournalOfBeforeIsReadAndGoneOnWith) {
  write_blocks(12);
  std::string old = slurp(segment());
  make_version_0(old);
  spill(segment(), old);
  {
    Gateway gateway(files_, folder_.path, signer_, options_);
    ASSERT_TRUE(gateway.is_open()) << gateway.error();
    gateway.offer("block 3");
    EXPECT_EQ(gateway.answers.back().receipt.index, 3u);
    gateway.offer("new");
    gateway.settle();
    gateway.release();
  }
  EXPECT_EQ(verify(), "");
  // Block 11 was written while block 2 and all before were durable.
  spill(segment(), old);
  fs::remove(folder_.path + "/checkpoint");
  spill(folder_.path + "/checkpoint",
        *signer_.sign("log.example/test\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"));
  std::string damaged = old;
  damaged[kUnit * 2 + 170] ^= 1;
  spill(segment(), damaged);
  expect_refused("the record of block 2 is damaged");
  damaged = old;
  damaged[kUnit * 9 + 170] ^= 1;
  spill(segment(), damaged);
  expect_goes_on(9, "cut off a torn tail");
}

TEST_F(DamagedJournal, AFileThatIsHugeInNameOnlyIsReadInNoTime) {
  write_blocks(3);
  std::string head = slurp(segment()).substr(0, 3 * kUnit) + std::string("SLBK\0\0\0\0", 8);
  const uint32_t payload_bytes = UINT32_MAX - 168 - 4;
  for (const uint32_t number : {UINT32_MAX, 1u, payload_bytes, 60u}) {
    const Be32 field = Be32::from_host(number);
    head.append(reinterpret_cast<const char*>(&field), sizeof field);
  }
  spill(segment(), head);
  fs::resize_file(segment(), uint64_t{1} << 40);
  expect_goes_on(3, "cut off a torn tail of 24 bytes, 0 records");
}

/// What is durable, what was acknowledged, and what the journal itself tells of it: plain lists.
struct Twin {
  std::vector<std::string> payloads;    // by leaf index, whatever became of them
  std::vector<uint64_t> block_ends;     // tree size after each block
  std::vector<uint64_t> block_offsets;  // in the segment; the end of the last one is there too
  std::vector<uint64_t> known_durable;  // by block: how many blocks were durable when it was written
  uint64_t durable = 0;                 // blocks
  uint64_t released = 0;                // blocks
};

class RandomDamage : public DamagedJournal, public ::testing::WithParamInterface<unsigned> {
 protected:
  RandomDamage() : random_(GetParam()) { options_.allocate_bytes = 65536; }
  unsigned below(uint64_t limit) { return static_cast<unsigned>(random_() % limit); }

  /// Writes a log at random and keeps its files as they are at a moment at which all under way may be lost.
  Twin write_log() {
    Twin twin;
    Gateway gateway(files_, folder_.path, signer_, options_);
    twin.block_offsets.push_back(0);
    for (unsigned step = 0, steps = 5 + below(30); step < steps; ++step) {
      if (twin.block_ends.size() - twin.durable < 6) append(gateway, twin);
      if (below(3) == 0) gateway.sync(), gateway.collect(), twin.durable = twin.block_ends.size();
      if (below(8) == 0) gateway.release(), twin.released = twin.durable;
    }
    fs::remove_all(moment_.path);
    fs::copy(folder_.path, moment_.path, fs::copy_options::recursive);
    gateway.sync();
    gateway.collect();
    return twin;
  }
  void append(Gateway& gateway, Twin& twin) {
    for (unsigned i = 0, count = 1 + below(3); i < count; ++i) {
      twin.payloads.push_back(std::to_string(twin.payloads.size()) +
                              std::string(below(2) * below(9000), 'p'));
      gateway.offer(twin.payloads.back());
    }
    gateway.append();
    twin.known_durable.push_back(twin.durable);
    twin.block_ends.push_back(twin.payloads.size());
    const std::string file = slurp(segment());
    const uint64_t length = load<Be32>(&file[twin.block_offsets.back() + 8]).host();
    twin.block_offsets.push_back(twin.block_offsets.back() + record_span(length));
  }

  /// Damages bytes [from, to) of a file's text at random.
  void damage(std::string& text, uint64_t from, uint64_t to) {
    if (from >= to) return;
    for (unsigned i = 0, count = 1 + below(3); i < count; ++i) {
      const uint64_t at = from + below(to - from);
      const uint64_t size = std::min<uint64_t>(below(2) == 0 ? 1 + below(8) : 512 * (1 + below(16)), to - at);
      const unsigned kind = below(4);
      for (uint64_t j = at; j < at + size; ++j)
        text[j] = kind == 0   ? '\0'
                  : kind == 1 ? 'S'
                  : kind == 2 ? static_cast<char>(random_())
                              : text[j] ^ 0x11;
    }
  }
  void restore() {
    fs::remove_all(folder_.path);
    fs::copy(moment_.path, folder_.path, fs::copy_options::recursive);
  }
  /// Whether the log holds the first `size` payloads as they were, goes on, and is whole then.
  void expect_holds(Gateway& gateway, const Twin& twin) {
    const uint64_t size = gateway.journal->durable().tree_size;
    for (uint64_t i = 0; i < size; ++i) {
      ASSERT_EQ(gateway.offer(twin.payloads[i]), Decision::kAnswered) << i;
      ASSERT_EQ(gateway.answers.back().receipt.index, i);
    }
    gateway.offer("new");
    gateway.settle();
    EXPECT_EQ(gateway.answers.back().receipt.index, size);
    gateway.release();
  }

  std::mt19937_64 random_;
  Folder moment_;
};

// Anything may have become of what was not synced, and of what can be rebuilt.
TEST_P(RandomDamage, APowerCutLosesNothingThatWasAcknowledged) {
  const Twin twin = write_log();
  for (int round = 0; round < 12; ++round) {
    restore();
    std::string text = slurp(segment());
    damage(text, twin.block_offsets[twin.durable], text.size());
    if (below(4) == 0)
      text.resize(twin.block_offsets[twin.durable] +
                  below(text.size() - twin.block_offsets[twin.durable] + 1));
    spill(segment(), text);
    for (const char* name : {"0", "1", "blocks"}) {
      const std::string path = folder_.path + "/tiles/" + name;
      std::string tiles = slurp(path);
      if (below(3) == 0) damage(tiles, 0, tiles.size());
      if (below(6) == 0) tiles.resize(below(tiles.size() + 100));
      spill(path, tiles);
    }
    {
      Gateway gateway(files_, folder_.path, signer_, options_);
      ASSERT_TRUE(gateway.is_open()) << gateway.error();
      const uint64_t size = gateway.journal->durable().tree_size;
      ASSERT_GE(size, twin.durable > 0 ? twin.block_ends[twin.durable - 1] : 0);
      expect_holds(gateway, twin);
    }
    ASSERT_EQ(verify(), "");
  }
}

// What was acknowledged may rot: then it is all there, or the start is refused, as far as the log can know.
TEST_P(RandomDamage, RotIsRefusedOrHitsNothingThatTheLogKnewToBeDurable) {
  const Twin twin = write_log();
  for (int round = 0; round < 12; ++round) {
    restore();
    const std::string whole = slurp(segment());
    std::string text = whole;
    damage(text, 0, text.size());
    spill(segment(), text);
    // The blocks that are whole, by the bytes of their records, and what they and the checkpoint know.
    uint64_t known = twin.released;
    for (uint64_t block = 0; block < twin.block_ends.size(); ++block) {
      const uint64_t at = twin.block_offsets[block];
      const uint64_t length = load<Be32>(&whole[at + 8]).host();
      if (text.compare(at, length, whole, at, length) == 0)
        known = std::max(known, twin.known_durable[block]);
    }
    const auto before = bytes_of_all(folder_.path);
    bool is_open = false;
    {
      Gateway gateway(files_, folder_.path, signer_, options_);
      is_open = gateway.is_open();
      if (is_open) {
        const uint64_t size = gateway.journal->durable().tree_size;
        ASSERT_GE(size, known > 0 ? twin.block_ends[known - 1] : 0);
        expect_holds(gateway, twin);
      }
    }
    if (is_open) {
      ASSERT_EQ(verify(), "");
    } else {
      ASSERT_EQ(bytes_of_all(folder_.path), before);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDamage, ::testing::Range(1u, 41u));

}  // namespace
}  // namespace sluice::ledger::test
