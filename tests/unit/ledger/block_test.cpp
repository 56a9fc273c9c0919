// GCC 12 sees impossible lengths in what it inlines here at -O3.
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "ledger/block.h"

#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>

#include <vector>

namespace sluice::ledger {
namespace {

using Bytes = std::vector<uint8_t>;

/// The content octets that OpenSSL writes for INTEGER `number`.
Bytes openssl_integer(uint64_t number) {
  ASN1_INTEGER* const integer = ASN1_INTEGER_new();
  ASN1_INTEGER_set_uint64(integer, number);
  uint8_t* der = nullptr;
  const int size = i2d_ASN1_INTEGER(integer, &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  ASN1_INTEGER_free(integer);
  return bytes;
}

Bytes encoded(const BlockHeader& header) {
  std::array<uint8_t, BlockHeader::kMostBytes> out;
  const size_t size = header.encode(out);
  return {out.begin(), out.begin() + static_cast<ptrdiff_t>(size)};
}

TEST(BlockHeader, IsTheDerThatOpensslWrites) {
  for (const uint64_t number :
       {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{255}, uint64_t{256}, uint64_t{32767},
        uint64_t{32768}, uint64_t{1} << 31, uint64_t{1} << 62, uint64_t{1} << 63, UINT64_MAX}) {
    BlockHeader header{number, std::nullopt, {}};
    if (number > 0) header.previous_hash.emplace().fill(0xcc);
    header.data_hash.fill(0xdd);
    Bytes content = openssl_integer(number);
    if (number > 0) {
      content.insert(content.end(), {0x04, 32});
      content.insert(content.end(), 32, 0xcc);
    } else {
      content.insert(content.end(), {0x04, 0});
    }
    content.insert(content.end(), {0x04, 32});
    content.insert(content.end(), 32, 0xdd);
    Bytes expected = {0x30, static_cast<uint8_t>(content.size())};
    expected.insert(expected.end(), content.begin(), content.end());
    EXPECT_EQ(encoded(header), expected) << number;
    const auto again = BlockHeader::decode(expected);
    ASSERT_TRUE(again) << number;
    EXPECT_EQ(again->number, number);
    EXPECT_EQ(again->previous_hash, header.previous_hash);
    EXPECT_EQ(again->data_hash, header.data_hash);
  }
}

TEST(BlockHeader, DecodesNothingElse) {
  BlockHeader header{300, crypto::Digest{}, {}};
  const Bytes whole = encoded(header);
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(BlockHeader::decode(std::span(whole).first(size))) << size;
  for (size_t at = 0; at < 9; ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes changed = whole;
      if (changed[at] == value || at == 4 || at == 5) continue;  // the number's own bytes may differ
      changed[at] = static_cast<uint8_t>(value);
      const auto decoded = BlockHeader::decode(changed);
      EXPECT_TRUE(!decoded || encoded(*decoded) == changed) << at << " " << value;
      EXPECT_FALSE(at < 4 && decoded);
    }
  }
}

TEST(BlockMetadata, IsInNetworkOrder) {
  BlockMetadata metadata{0x0102030405060708, 0x1112131415161718, 0x2122232425262728, {}};
  metadata.root.fill(0xee);
  Bytes expected = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x11, 0x12, 0x13, 0x14,
                    0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28};
  expected.insert(expected.end(), 32, 0xee);
  const auto bytes = metadata.encode();
  EXPECT_EQ(Bytes(bytes.begin(), bytes.end()), expected);
  EXPECT_EQ(BlockMetadata::decode(bytes).tree_size, metadata.tree_size);
}

}  // namespace
}  // namespace sluice::ledger
