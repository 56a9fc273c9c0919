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

TEST(Crc32c, EqualsTheBitwiseSumOfWhatIsLong) {
  std::vector<uint8_t> data(20'011);
  uint32_t state = 1;
  for (uint8_t& byte : data) byte = static_cast<uint8_t>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  for (size_t from : {0, 1, 7}) {
    for (size_t size : {3071, 3072, 3073, 3080, 6143, 6144, 6151, 9216, 20'000}) {
      const auto some = std::span(data).subspan(from, size);
      ASSERT_EQ(crc32c(some), bitwise(some)) << size << " from " << from;
    }
  }
}

}  // namespace
}  // namespace sluice::ledger
