#include "common/flow_key.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

const FlowKey kKey{IpAddress::parse("192.0.2.7").value(),
                   IpAddress::parse("2001:db8::10").value(),
                   Be16::from_host(40000),
                   Be16::from_host(80),
                   IpProtocol::kTcp,
                   {}};

TEST(FlowKey, BeginsWithTheInputOfTheFlowHash) {
  const std::vector<uint8_t> expected = {0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2,
                                         7,  // source
                                         0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0,    0,    0,   0, 0,
                                         0x10,  // destination
                                         0x9c, 0x40, 0,    80,   6};
  ASSERT_EQ(expected.size(), FlowKey::kHashedBytes);
  EXPECT_EQ(std::memcmp(&kKey, expected.data(), expected.size()), 0);
}

TEST(FlowKey, ReversesToTheWayBack) {
  const FlowKey back = kKey.reversed();
  EXPECT_EQ(back.source, kKey.destination);
  EXPECT_EQ(back.destination, kKey.source);
  EXPECT_EQ(back.source_port, kKey.destination_port);
  EXPECT_EQ(back.destination_port, kKey.source_port);
  EXPECT_EQ(back.protocol, kKey.protocol);
  EXPECT_EQ(back.reversed(), kKey);
}

TEST(FlowKey, DiffersInEveryField) {
  for (size_t i = 0; i < FlowKey::kHashedBytes; ++i) {
    FlowKey other = kKey;
    reinterpret_cast<uint8_t*>(&other)[i] ^= 1;
    EXPECT_FALSE(other == kKey) << i;
  }
}

}  // namespace
}  // namespace sluice
