#include "dataplane/packet/arp.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;

// RFC 826, field by field.
const Bytes kRequest = {0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 0x01,         // Ethernet, IPv4, request
                        0x02, 0x00, 0x00, 0x00, 0x00, 0xaa, 192,  0,    2, 1,   // sender
                        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192,  0,    2, 2};  // target

ArpMessage request() {
  return {.is_reply = false,
          .sender_mac = *MacAddress::parse("02:00:00:00:00:aa"),
          .sender = *IpAddress::parse("192.0.2.1"),
          .target_mac = {},
          .target = *IpAddress::parse("192.0.2.2")};
}

TEST(Arp, WritesARequest) {
  Bytes written(28);
  write_arp(request(), written.data());
  EXPECT_EQ(written, kRequest);
}

TEST(Arp, WritesAReply) {
  ArpMessage reply = request();
  reply.is_reply = true;
  reply.target_mac = *MacAddress::parse("02:00:00:00:00:bb");
  Bytes written(28);
  write_arp(reply, written.data());
  EXPECT_EQ(written, test::arp(2, "02:00:00:00:00:aa", "192.0.2.1", "02:00:00:00:00:bb", "192.0.2.2"));
}

TEST(Arp, ReadsWhatFollowsTheEthernetHeader) {
  Bytes padded = kRequest;
  padded.resize(46);  // the shortest Ethernet payload
  const auto message = parse_arp(padded);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->is_reply);
  EXPECT_EQ(message->sender, request().sender);
  EXPECT_EQ(message->sender_mac, request().sender_mac);
  EXPECT_EQ(message->target, request().target);
}

TEST(Arp, IgnoresOtherProtocolsAndBrokenMessages) {
  const auto changed = [](size_t at, uint8_t value) {
    Bytes bytes = kRequest;
    bytes[at] = value;
    return bytes;
  };
  EXPECT_FALSE(parse_arp(changed(1, 6))) << "IEEE 802 hardware type";
  EXPECT_FALSE(parse_arp(changed(2, 0x86))) << "another protocol";
  EXPECT_FALSE(parse_arp(changed(4, 8))) << "hardware address length";
  EXPECT_FALSE(parse_arp(changed(5, 16))) << "protocol address length";
  EXPECT_FALSE(parse_arp(changed(7, 3))) << "RARP operation";
  EXPECT_FALSE(parse_arp(changed(8, 0x01))) << "a group as sender";
  EXPECT_FALSE(parse_arp(std::span(kRequest).first(27))) << "cut short";
}

}  // namespace
}  // namespace sluice::dataplane
