#include "common/bytes.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

template <typename T>
std::vector<unsigned> wire(const T& value) {
  std::vector<unsigned> result;
  for (size_t i = 0; i < sizeof value; ++i) result.push_back(reinterpret_cast<const uint8_t*>(&value)[i]);
  return result;
}

TEST(Be, LiesInNetworkOrder) {
  EXPECT_EQ(wire(Be16::from_host(0x0102)), (std::vector<unsigned>{1, 2}));
  EXPECT_EQ(wire(Be32::from_host(0x01020304)), (std::vector<unsigned>{1, 2, 3, 4}));
  EXPECT_EQ(wire(Be64::from_host(0x0102030405060708)), (std::vector<unsigned>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(wire(Be<uint8_t>::from_host(7)), std::vector<unsigned>{7});
}

TEST(Be, ComesBackToHostOrder) {
  const uint8_t bytes[] = {0xab, 0xcd, 0xef, 0x01};
  EXPECT_EQ(load<Be16>(bytes).host(), 0xabcd);
  EXPECT_EQ(load<Be32>(bytes).host(), 0xabcdef01u);
  EXPECT_EQ(Be16::from_network(load<uint16_t>(bytes)).host(), 0xabcd);
  EXPECT_EQ(load<Be16>(bytes).network(), load<uint16_t>(bytes));
}

TEST(Be, OrdersByValueAndNotByMemory) {
  EXPECT_LT(Be16::from_host(0x00ff), Be16::from_host(0x0100));
  EXPECT_GT(Be32::from_host(0x01000000), Be32::from_host(0x00ffffff));
  EXPECT_EQ(Be16::from_host(80), Be16::from_host(80));
  EXPECT_NE(Be16::from_host(80), Be16::from_host(0x5000));
}

TEST(LoadAndStore, WorkAtAnyAddress) {
  uint8_t bytes[12] = {};
  store(bytes + 1, uint64_t{0x0807060504030201});
  for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(bytes[1 + i], i + 1);
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[9], 0);
  EXPECT_EQ(load<uint32_t>(bytes + 3), 0x06050403u);
}

}  // namespace
}  // namespace sluice
