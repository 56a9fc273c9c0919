#include "lb/flow_hash.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice::lb {
namespace {

FlowKey random_key(std::mt19937& random) {
  const auto address = [&] { return IpAddress::v4(Be32::from_network(static_cast<uint32_t>(random()))); };
  const auto port = [&] { return Be16::from_network(static_cast<uint16_t>(random())); };
  return {address(), address(), port(), port(), random() % 2 == 0 ? IpProtocol::kTcp : IpProtocol::kUdp, {}};
}

/// One field of eight keys, as it lies in a packet.
template <typename Field>
__m256i lanes_of(const std::array<FlowKey, 8>& keys, Field field) {
  std::array<uint32_t, 8> words;
  for (size_t i = 0; i < 8; ++i) words[i] = field(keys[i]);
  return load<__m256i>(words.data());
}

TEST(FlowHash, OfEightIsThatOfEach) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 1000; ++round) {
    const FlowHash hash(uint64_t{random()} << 32 | random());
    std::array<FlowKey, 8> keys;
    for (FlowKey& key : keys) key = random_key(random);
    std::array<uint64_t, 8> hashes;
    hash.hash_eight(
        lanes_of(keys, [](const FlowKey& key) { return key.source.as_v4().network(); }),
        lanes_of(keys, [](const FlowKey& key) { return key.destination.as_v4().network(); }),
        lanes_of(keys, [](const FlowKey& key) { return load<uint32_t>(&key.source_port); }),
        lanes_of(keys, [](const FlowKey& key) { return uint32_t{static_cast<uint8_t>(key.protocol)}; }),
        hashes);
    for (size_t i = 0; i < 8; ++i) ASSERT_EQ(hashes[i], hash(keys[i])) << round << ", lane " << i;
  }
}

TEST(FlowHash, OfAPacketsFieldsIsThatOfItsKey) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 1000; ++round) {
    const FlowHash hash(uint64_t{random()} << 32 | random());
    const FlowKey key = random_key(random);
    ASSERT_EQ(hash.hash_v4(key.source.as_v4().network(), key.destination.as_v4().network(),
                           load<uint32_t>(&key.source_port), static_cast<uint8_t>(key.protocol)),
              hash(key))
        << round;
  }
}

TEST(FlowHash, DependsOnEveryBitOfAKeyAndOnTheSeed) {
  const FlowKey key{IpAddress::v4(Be32::from_host(0xc6336407)),
                    IpAddress::v4(Be32::from_host(0xcb00710a)),
                    Be16::from_host(40000),
                    Be16::from_host(80),
                    IpProtocol::kTcp,
                    {}};
  const FlowHash hash(1);
  EXPECT_NE(hash(key), FlowHash(2)(key));
  for (size_t bit = 0; bit < 8 * FlowKey::kHashedBytes; ++bit) {
    FlowKey other = key;
    reinterpret_cast<uint8_t*>(&other)[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    EXPECT_NE(hash(other), hash(key)) << bit;
  }
}

}  // namespace
}  // namespace sluice::lb
