#include "common/checksum.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <vector>

namespace sluice {
namespace {

/// RFC 1071, section 1: 16-bit words in network order, end-around carry after each.
uint16_t naive_checksum(const std::vector<uint8_t>& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i < data.size(); i += 2) {
    sum += data[i] * 256u + (i + 1 < data.size() ? data[i + 1] : 0u);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<uint16_t>(~sum);
}

uint16_t checksum(const std::vector<uint8_t>& data) {
  return checksum_finish(checksum_add(data.data(), data.size())).host();
}

TEST(Checksum, GivesTheExampleOfRfc1071) {
  EXPECT_EQ(checksum({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}), 0xffff - 0xddf2);
}

TEST(Checksum, CoversAnIpv4Header) {
  // Of a datagram captured from 192.168.0.1 to 192.168.0.199, its checksum 0xb861 included.
  const std::vector<uint8_t> header = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                       0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
  EXPECT_EQ(checksum(header), 0);
}

RC_GTEST_PROP(Checksum, AgreesWithTheDefinition, (std::vector<uint8_t> data)) {
  RC_ASSERT(checksum(data) == naive_checksum(data));
}

RC_GTEST_PROP(Checksum, GoesOnFromAnEvenPiece, (std::vector<uint8_t> data)) {
  const auto cut = *rc::gen::inRange<size_t>(0, data.size() / 2 + 1) * 2;
  const uint64_t sum = checksum_add(data.data() + cut, data.size() - cut, checksum_add(data.data(), cut));
  RC_ASSERT(checksum_finish(sum).host() == naive_checksum(data));
}

TEST(Checksum, AgreesWithTheDefinitionOnEverySizeOfAFrame) {
  std::mt19937 random(1);
  std::vector<uint8_t> data;
  for (size_t size = 0; size <= 1600; ++size) {
    ASSERT_EQ(checksum(data), naive_checksum(data)) << size;
    data.push_back(static_cast<uint8_t>(random()));
  }
}

TEST(Checksum, DoesNotOverflowOnTheLongestPacket) {
  EXPECT_EQ(checksum(std::vector<uint8_t>(65'535, 0xff)), naive_checksum(std::vector<uint8_t>(65'535, 0xff)));
}

RC_GTEST_PROP(Checksum, IsRightWhereTheDefinitionSaysSo, (std::vector<uint8_t> data)) {
  data.resize(data.size() / 2 * 2 + 2);
  data[0] |= 1;
  data.resize(data.size() + 2);
  const uint16_t right = naive_checksum(data);
  data[data.size() - 2] = static_cast<uint8_t>(right >> 8);
  data[data.size() - 1] = static_cast<uint8_t>(right);
  RC_ASSERT(checksum_is_right(checksum_add(data.data(), data.size())));
  const auto flipped = *rc::gen::inRange<size_t>(0, data.size() * 8);
  data[flipped / 8] ^= static_cast<uint8_t>(1 << flipped % 8);
  RC_ASSERT(!checksum_is_right(checksum_add(data.data(), data.size())));
}

TEST(Checksum, IsNotRightWhereAllIsZero) {
  EXPECT_FALSE(checksum_is_right(checksum_add("\0\0\0\0\0\0\0", 8)));
}

TEST(ChecksumDelta, GivesTheExampleOfRfc1624) {
  // Section 4: equation 2 gives the wrong 0xffff here.
  ChecksumDelta delta;
  delta.replace(Be16::from_host(0x5555), Be16::from_host(0x3285));
  EXPECT_EQ(delta.apply(Be16::from_host(0xdd2f)).host(), 0x0000);
}

RC_GTEST_PROP(ChecksumDelta, AgreesWithAnewComputedChecksums, ()) {
  auto data = *rc::gen::container<std::vector<uint8_t>>(40, rc::gen::arbitrary<uint8_t>());
  data[0] = 1;  // an all-zero message is the one whose checksum has two forms
  const auto before = data;
  const auto word = *rc::gen::inRange<size_t>(1, 5) * 2;
  const size_t address = 10;
  const auto number = *rc::gen::inRange<size_t>(13, 18) * 2;
  for (size_t i = 0; i < 2; ++i) data[word + i] = *rc::gen::arbitrary<uint8_t>();
  for (size_t i = 0; i < 16; ++i) data[address + i] = *rc::gen::arbitrary<uint8_t>();
  for (size_t i = 0; i < 4; ++i) data[number + i] = *rc::gen::arbitrary<uint8_t>();

  ChecksumDelta delta, rest;
  delta.replace(load<Be16>(&before[word]), load<Be16>(&data[word]));
  delta.replace_16_bytes(&before[address], &data[address]);
  rest.replace(load<Be32>(&before[number]), load<Be32>(&data[number]));
  delta.add(rest);
  const auto sent = Be16::from_host(naive_checksum(before)), wanted = Be16::from_host(naive_checksum(data));
  RC_ASSERT(delta.apply(sent) == wanted);
  RC_ASSERT(checksum_changed(sent.network(), delta.summand()) == wanted.network());
  const auto lower = *rc::gen::arbitrary<uint16_t>();
  RC_ASSERT(upper_checksum_changed(uint32_t{sent.network()} << 16 | lower, delta.summand()) ==
            (uint32_t{wanted.network()} << 16 | lower));
}

TEST(ChecksumDelta, IsTheSameWhateverTheChecksumIs) {
  for (const uint16_t after : {0, 1, 0x5555, 0x5556, 0xfffe, 0xffff}) {
    ChecksumDelta delta;
    delta.replace(Be16::from_network(0x5555), Be16::from_network(after));
    for (uint32_t checksum = 0; checksum < 0x10000; ++checksum) {
      const auto before = static_cast<uint16_t>(checksum);
      ASSERT_EQ(checksum_changed(before, delta.summand()), delta.apply(Be16::from_network(before)).network());
    }
  }
}

}  // namespace
}  // namespace sluice
