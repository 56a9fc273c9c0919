#include "ctrl/wire/packet_words.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace sluice::ctrl {
namespace {

using test::Bytes;

std::string words(const Bytes& frame) {
  return packet_words(frame, static_cast<uint32_t>(frame.size()));
}

// As `scapy.Ether(...)` lays them out.
const Bytes kTcp4 = {2,    0,    0, 0,  0, 1, 2, 0, 0,  0, 0, 2, 0x81, 0,    0, 100, 8,   0,  // VLAN 100
                     0x45, 0,    0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 192,  0,    2, 1,   203, 0, 113, 10,
                     0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0,  0, 0, 0, 0x50, 0x12, 0, 0,   0,   0, 0,   0};

TEST(PacketWords, SayWhatAFrameHas) {
  EXPECT_EQ(words(kTcp4),
            "58 bytes, vlan 100, ipv4 192.0.2.1 -> 203.0.113.10, version 4, header 20, total 40, ttl 64, "
            "tcp 40000 -> 80 [SYN ACK]");
  Bytes udp6 = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 7};
  for (const uint8_t last : {1, 2}) {
    udp6.insert(udp6.end(), {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
  }
  udp6.insert(udp6.end(), {0, 53, 0x10, 0, 0, 8, 0, 0});
  EXPECT_EQ(words(udp6),
            "62 bytes, ipv6 2001:db8::1 -> 2001:db8::2, payload 8, hop limit 7, udp 53 -> 4096, length 8");
}

TEST(PacketWords, StopWhereTheBytesDo) {
  for (size_t size = 0; size < kTcp4.size(); ++size) {
    const Bytes front(kTcp4.begin(), kTcp4.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string text = packet_words(front, 58);
    EXPECT_TRUE(text.ends_with("cut off")) << size << ": " << text;
  }
}

TEST(PacketWords, KnowFragmentsAndOthers) {
  Bytes fragment = kTcp4;
  fragment[18 + 6] = 0x20;
  fragment[18 + 7] = 3;
  EXPECT_NE(words(fragment).find("fragment at 24, more follow"), std::string::npos);
  EXPECT_EQ(words({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xcc}), "14 bytes, type 0x88cc");
  EXPECT_EQ(words({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6}), "14 bytes, arp");
}

}  // namespace
}  // namespace sluice::ctrl
