#include "ledger/bitcoin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/bytes.h"
#include "crypto/encoding.h"
#include "crypto/sha256_openssl.h"
#include "tests/support/vectors.h"

namespace sluice::ledger {
namespace {

using Bytes = std::vector<uint8_t>;
using crypto::Digest;

Digest twice(std::span<const uint8_t> bytes) {
  return crypto::sha256(crypto::sha256(bytes));
}

Digest txid_of(const Bytes& transaction) {
  const Parsed parsed = parse_bitcoin(transaction);  // without parse()'s limit: three of mainnet's are larger
  EXPECT_TRUE(parsed.is_valid);
  EXPECT_EQ(parsed.rounds, crypto::Rounds::twice);
  Bytes scratch(transaction.size());
  return twice(id_bytes(parsed, scratch));
}

/// Cuts a block into its transactions, trusting every length: nothing is shared with the parser.
class BlockSplitter {
 public:
  explicit BlockSplitter(Bytes bytes) : bytes_(std::move(bytes)) {}
  std::vector<Bytes> transactions() {
    at_ = 80;
    std::vector<Bytes> out;
    for (uint64_t left = count(); left > 0; --left) {
      const size_t start = at_;
      at_ += 4;
      const bool has_witness = bytes_[at_] == 0;
      if (has_witness) at_ += 2;
      const uint64_t inputs = count();
      for (uint64_t i = 0; i < inputs; ++i) {
        at_ += 36;
        at_ += count();
        at_ += 4;
      }
      for (uint64_t outputs = count(); outputs > 0; --outputs) {
        at_ += 8;
        at_ += count();
      }
      for (uint64_t i = 0; has_witness && i < inputs; ++i)
        for (uint64_t items = count(); items > 0; --items) at_ += count();
      at_ += 4;
      out.emplace_back(bytes_.begin() + static_cast<ptrdiff_t>(start),
                       bytes_.begin() + static_cast<ptrdiff_t>(at_));
    }
    EXPECT_EQ(at_, bytes_.size());
    return out;
  }

 private:
  uint64_t count() {
    const uint8_t head = bytes_[at_++];
    const size_t size = head < 0xfd ? 0 : size_t{2} << (head - 0xfd);
    uint64_t value = size == 0 ? head : 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t{bytes_[at_ + i]} << (8 * i);
    at_ += size;
    return value;
  }
  Bytes bytes_;
  size_t at_ = 0;
};

/// Bitcoin's own tree: the last one is doubled where the number is odd.
Digest bitcoin_root(std::vector<Digest> level) {
  while (level.size() > 1) {
    if (level.size() % 2 != 0) level.push_back(level.back());
    for (size_t i = 0; i < level.size() / 2; ++i) {
      Bytes both(level[2 * i].begin(), level[2 * i].end());
      both.insert(both.end(), level[2 * i + 1].begin(), level[2 * i + 1].end());
      level[i] = twice(both);
    }
    level.resize(level.size() / 2);
  }
  return level[0];
}

class BitcoinBlock : public ::testing::TestWithParam<std::pair<const char*, size_t>> {
 protected:
  void SetUp() override {
    SLUICE_NEEDS_VECTORS("bitcoin");
    for (const auto& file : std::filesystem::directory_iterator(test::vectors_folder() / "bitcoin")) {
      if (!file.path().filename().string().starts_with(GetParam().first)) continue;
      const std::string text = test::read_file(file.path());
      block_.assign(text.begin(), text.end());
      name_ = file.path().stem().string();
    }
    ASSERT_FALSE(block_.empty());
    transactions_ = BlockSplitter(block_).transactions();
    ASSERT_EQ(transactions_.size(), GetParam().second);
  }
  Bytes block_;
  std::string name_;
  std::vector<Bytes> transactions_;
};

TEST_P(BitcoinBlock, TxidsGiveTheHeadersMerkleRoot) {
  std::vector<Digest> txids;
  for (const Bytes& transaction : transactions_) txids.push_back(txid_of(transaction));
  EXPECT_EQ(bitcoin_root(txids), load<Digest>(&block_[36]));
  // And the header is the one that the file is named after.
  Digest hash = twice(std::span(block_).first(80));
  std::reverse(hash.begin(), hash.end());
  EXPECT_NE(name_.find(crypto::to_hex(hash)), std::string::npos);
}

TEST_P(BitcoinBlock, WtxidsGiveTheWitnessCommitment) {
  std::vector<Digest> wtxids = {Digest{}};  // the coinbase counts as zero (BIP-141)
  for (size_t i = 1; i < transactions_.size(); ++i) wtxids.push_back(twice(transactions_[i]));
  const Digest root = bitcoin_root(wtxids);
  Bytes committed(root.begin(), root.end());
  committed.resize(64);  // the reserved value is zero in both blocks
  const Bytes mark = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
  const Bytes& coinbase = transactions_[0];
  const auto found = std::find_end(coinbase.begin(), coinbase.end(), mark.begin(), mark.end());
  ASSERT_NE(found, coinbase.end());
  EXPECT_EQ(twice(committed), load<Digest>(&*found + mark.size()));
}

TEST_P(BitcoinBlock, NoPrefixAndNoExtensionOfATransactionIsOne) {
  size_t tried = 0;
  for (const Bytes& transaction : transactions_) {
    if (transaction.size() > 400 || ++tried > 40) continue;
    for (size_t size = 0; size < transaction.size(); ++size) {
      const Bytes cut(transaction.begin(), transaction.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(parse(Profile::kBitcoin, cut).is_valid) << size;
    }
    Bytes longer = transaction;
    longer.push_back(0);
    EXPECT_FALSE(parse(Profile::kBitcoin, longer).is_valid);
  }
}

INSTANTIATE_TEST_SUITE_P(Published, BitcoinBlock,
                         ::testing::Values(std::pair("testnet", size_t{15}),
                                           std::pair("mainnet", size_t{2500})),
                         [](const auto& info) { return std::string(info.param.first); });

/// A transaction put together field by field.
struct Made {
  Bytes input_count = {1};
  Bytes script_size = {0};
  Bytes output_count = {1};
  Bytes marker = {};
  Bytes witness = {};
  Bytes encode() const {
    Bytes out = {2, 0, 0, 0};
    const auto add = [&](const Bytes& part) { out.insert(out.end(), part.begin(), part.end()); };
    add(marker);
    add(input_count);
    add(Bytes(36, 0x11));
    add(script_size);
    add(Bytes(4, 0xff));
    add(output_count);
    add(Bytes(8, 0x22));
    add({1, 0x51});
    add(witness);
    add(Bytes(4, 0));
    return out;
  }
};

bool is_valid(const Made& made) {
  return parse(Profile::kBitcoin, made.encode()).is_valid;
}

TEST(Bitcoin, TakesBothForms) {
  EXPECT_TRUE(is_valid({}));
  EXPECT_TRUE(is_valid({.marker = {0, 1}, .witness = {1, 1, 0xaa}}));
  EXPECT_TRUE(is_valid({.marker = {0, 1}, .witness = {1, 0}})) << "one item, which is empty";
}

TEST(Bitcoin, TheIdLeavesTheWitnessOut) {
  const Bytes plain = Made{}.encode();
  EXPECT_EQ(txid_of(Made{.marker = {0, 1}, .witness = {1, 1, 0xaa}}.encode()), twice(plain));
  EXPECT_EQ(txid_of(Made{.marker = {0, 1}, .witness = {2, 1, 0xbb, 0}}.encode()), twice(plain));
  EXPECT_EQ(txid_of(plain), twice(plain));
}

TEST(Bitcoin, RefusesWhatIsNotCanonical) {
  EXPECT_FALSE(is_valid({.input_count = {0xfd, 1, 0}}));
  EXPECT_FALSE(is_valid({.script_size = {0xfd, 0, 0}}));
  EXPECT_FALSE(is_valid({.script_size = {0xfe, 0, 0, 0, 0}}));
  EXPECT_FALSE(is_valid({.output_count = {0xff, 1, 0, 0, 0, 0, 0, 0, 0}}));
  EXPECT_FALSE(is_valid({.marker = {0, 1}, .witness = {0}})) << "a witness section without a witness";
  EXPECT_FALSE(is_valid({.marker = {0, 2}, .witness = {1, 1, 0xaa}}));
  EXPECT_FALSE(is_valid({.marker = {0, 0}, .witness = {1, 1, 0xaa}}));
  EXPECT_FALSE(is_valid({.marker = {0, 1}, .witness = {0xfd, 1, 0, 1, 0xaa}}));
  EXPECT_FALSE(is_valid({.output_count = {0xff, 255, 255, 255, 255, 255, 255, 255, 255}}));
  EXPECT_FALSE(is_valid({.script_size = {0xff, 255, 255, 255, 255, 255, 255, 255, 255}}));
  const Bytes no_input = {2, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_FALSE(parse(Profile::kBitcoin, no_input).is_valid);
}

}  // namespace
}  // namespace sluice::ledger
