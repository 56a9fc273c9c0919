#include "ledger/crc32c.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sluice::ledger {
namespace {

/// Bit by bit, from the polynomial in RFC 3720, appendix B.4.
uint32_t bitwise(std::span<const uint8_t> data) {
  uint32_t state = UINT32_MAX;
  for (const uint8_t byte : data) {
    state ^= byte;
    for (int bit = 0; bit < 8; ++bit) state = state >> 1 ^ ((state & 1) != 0 ? 0x82f63b78 : 0);
  }
  return ~state;
}

TEST(Crc32c, GivesTheExamplesOfRfc3720) {
  std::vector<uint8_t> data(32, 0);
  EXPECT_EQ(crc32c(data), 0x8a9136aau);
  data.assign(32, 0xff);
  EXPECT_EQ(crc32c(data), 0x62a8ab43u);
  std::iota(data.begin(), data.end(), uint8_t{0});
  EXPECT_EQ(crc32c(data), 0x46dd794eu);
}

TEST(Crc32c, EqualsTheBitwiseSumAtEveryLength) {
  std::vector<uint8_t> data;
  for (unsigned i = 0; i < 100; ++i) {
    ASSERT_EQ(crc32c(data), bitwise(data)) << i;
    data.push_back(static_cast<uint8_t>(i * 37));
  }
}

}  // namespace
}  // namespace sluice::ledger
