#include "ledger/receipt.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::ledger {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes encoded(uint64_t index, uint64_t block, uint64_t tree_size) {
  Receipt receipt{{}, index, {}, block, tree_size};
  receipt.txid.fill(0xaa);
  receipt.leaf_hash.fill(0xbb);
  std::array<uint8_t, kMostReceiptBytes> out;
  const size_t size = encode_cbor(receipt, out);
  return {out.begin(), out.begin() + static_cast<ptrdiff_t>(size)};
}

/// The map around three integers whose encodings are copied from RFC 8949, appendix A.
Bytes expected(const Bytes& index, const Bytes& block, const Bytes& tree_size) {
  Bytes out = {0xa5, 0x01, 0x58, 0x20};
  const auto add = [&](const Bytes& part) { out.insert(out.end(), part.begin(), part.end()); };
  add(Bytes(32, 0xaa));
  add({0x02});
  add(index);
  add({0x03, 0x58, 0x20});
  add(Bytes(32, 0xbb));
  add({0x04});
  add(block);
  add({0x05});
  add(tree_size);
  return out;
}

TEST(Receipt, IntegersAreAsShortAsTheExamplesOfRfc8949) {
  EXPECT_EQ(encoded(0, 10, 23), expected({0x00}, {0x0a}, {0x17}));
  EXPECT_EQ(encoded(24, 100, 1000), expected({0x18, 0x18}, {0x18, 0x64}, {0x19, 0x03, 0xe8}));
  EXPECT_EQ(encoded(1000000, 1000000000000, 18446744073709551615u),
            expected({0x1a, 0x00, 0x0f, 0x42, 0x40}, {0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00},
                     {0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(encoded(255, 256, 65535), expected({0x18, 0xff}, {0x19, 0x01, 0x00}, {0x19, 0xff, 0xff}));
  EXPECT_EQ(encoded(65536, 4294967295, 4294967296),
            expected({0x1a, 0x00, 0x01, 0x00, 0x00}, {0x1a, 0xff, 0xff, 0xff, 0xff},
                     {0x1b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00}));
}

TEST(Receipt, TheLongestFitsExactly) {
  EXPECT_EQ(encoded(UINT64_MAX, UINT64_MAX, UINT64_MAX).size(), kMostReceiptBytes);
}

}  // namespace
}  // namespace sluice::ledger
