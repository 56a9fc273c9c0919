// What the ledger holds as JSON and as metrics, and the words of people made digests.
#include "ctrl/store/ledger_answers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ctrl/resolve/compile_ledger.h"
#include "ctrl/telemetry/ledger_metrics.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

crypto::Digest digest(uint8_t byte) {
  crypto::Digest digest;
  digest.fill(byte);
  return digest;
}

std::string hex(const char* byte) {
  std::string text;
  for (int i = 0; i < 32; ++i) text += byte;
  return text;
}

TEST(LedgerAnswers, AReceiptHasItsHashesInTheOrderOfSha256) {
  crypto::Digest txid = digest(0);
  txid[0] = 0xab;
  EXPECT_EQ(receipt_object({txid, 7, digest(0x22), 3, 9}), (json{{"txid", "ab" + std::string(62, '0')},
                                                                 {"index", 7},
                                                                 {"leaf_hash", hex("22")},
                                                                 {"block", 3},
                                                                 {"tree_size", 9}}));
}

TEST(LedgerAnswers, ABlockShowsAllOfItself) {
  ledger::BlockView block;
  block.number = 1;
  block.metadata = {1'700'000'000'000'000'001, 2, 3, digest(0x11)};
  block.header.number = 1;
  block.header.previous_hash = digest(0x33);
  block.header.data_hash = digest(0x44);
  block.hash = digest(0x55);
  block.header_der = {0x30, 0x00};
  block.leaf_hashes = {digest(0x66)};
  const json object = block_object(block);
  EXPECT_EQ(object["time"], 1'700'000'000'000'000'001);
  EXPECT_EQ(object["first_index"], 2);
  EXPECT_EQ(object["tree_size"], 3);
  EXPECT_EQ(object["root"], hex("11"));
  EXPECT_EQ(object["previous_hash"], hex("33"));
  EXPECT_EQ(object["data_hash"], hex("44"));
  EXPECT_EQ(object["hash"], hex("55"));
  EXPECT_EQ(object["leaf_hashes"], json{hex("66")});
  EXPECT_EQ(object["header"], "MAA=");
  // python3: base64.b64encode(struct.pack(">QQQ", 1700000000000000001, 2, 3) + b"\x11" * 32)
  EXPECT_EQ(object["metadata"],
            "F5ec/jYqAAEAAAAAAAAAAgAAAAAAAAADERERERERERERERERERERERERERERERERERERERERERE=");
  block.header.previous_hash.reset();
  EXPECT_EQ(block_object(block)["previous_hash"], "");
}

TEST(LedgerAnswers, OnlyTheCanonicalHexIsADigest) {
  EXPECT_EQ(digest_of(hex("ab")), digest(0xab));
  for (const std::string& wrong :
       {std::string(), hex("AB"), hex("ab").substr(2), hex("ab") + "ab", hex("xy")}) {
    EXPECT_FALSE(digest_of(wrong)) << wrong;
  }
}

TEST(LedgerMetrics, BucketsAreCumulativeAndInTheirUnit) {
  constexpr std::array<uint64_t, 2> kBounds = {1'000'000, 2'000'000'000};
  Histogram histogram(kBounds);
  for (const uint64_t value : {500'000u, 1'000'000u, 1'500'000'000u, 4'000'000'000u}) histogram.record(value);
  const auto sample = histogram_sample(histogram.read(), 1e9).histogram;
  ASSERT_EQ(sample.bucket.size(), 3u);
  EXPECT_EQ(sample.bucket[0].cumulative_count, 2u);
  EXPECT_DOUBLE_EQ(sample.bucket[0].upper_bound, 0.001);
  EXPECT_EQ(sample.bucket[1].cumulative_count, 3u);
  EXPECT_DOUBLE_EQ(sample.bucket[1].upper_bound, 2);
  EXPECT_EQ(sample.bucket[2].cumulative_count, 4u);
  EXPECT_TRUE(std::isinf(sample.bucket[2].upper_bound));
  EXPECT_EQ(sample.sample_count, 4u);
  EXPECT_NEAR(sample.sample_sum, 5.5015, 1e-9);
}

TEST(LedgerConfig, AnUnreadableKeyIsNamed) {
  TemporaryDirectory directory;
  LedgerModel model;
  model.signing_key = "file:" + directory.file("missing");
  const auto config = ledger_config(model);
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("missing: no such file"), std::string::npos);
  EXPECT_EQ(config.error().pointer, "/ledger/signing_key");
}

}  // namespace
}  // namespace sluice::ctrl
