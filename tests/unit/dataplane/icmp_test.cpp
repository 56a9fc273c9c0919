#include "dataplane/packet/icmp.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ip;

TEST(Icmp, EchoReplyIpv4) {
  Bytes packet = ip("198.51.100.7", "203.0.113.10")
                     .ttl(3)
                     .traffic_class(8)
                     .icmp(8, 0, 0x00010002)
                     .payload("ping")
                     .bytes();
  turn_into_echo_reply(packet.data(), true, 20);
  EXPECT_EQ(packet, ip("203.0.113.10", "198.51.100.7")
                        .ttl(64)
                        .traffic_class(8)
                        .icmp(0, 0, 0x00010002)
                        .payload("ping")
                        .bytes());
}

TEST(Icmp, EchoReplyIpv6) {
  Bytes packet =
      ip("2001:db8:c::7", "2001:db8:1::10").ttl(3).icmp(128, 0, 0x00010002).payload("ping").bytes();
  turn_into_echo_reply(packet.data(), false, 40);
  EXPECT_EQ(packet,
            ip("2001:db8:1::10", "2001:db8:c::7").ttl(64).icmp(129, 0, 0x00010002).payload("ping").bytes());
}

TEST(Icmp, FragmentationNeeded) {
  const Bytes quote = ip("198.51.100.7", "203.0.113.10").udp(1, 2).payload_bytes(101).bytes();
  Bytes packet(icmp_error_header_bytes(true));
  test::append(packet, quote);
  write_too_big(packet.data(), *IpAddress::parse("203.0.113.10"), *IpAddress::parse("198.51.100.7"), 1480,
                quote.size());
  EXPECT_EQ(packet, ip("203.0.113.10", "198.51.100.7")
                        .ip_id(0)
                        .traffic_class(0xc0)
                        .icmp(3, 4, 1480)
                        .payload(quote)
                        .bytes());
}

TEST(Icmp, PacketTooBig) {
  const Bytes quote = ip("2001:db8:c::7", "2001:db8:1::10").udp(1, 2).payload_bytes(101).bytes();
  Bytes packet(icmp_error_header_bytes(false));
  test::append(packet, quote);
  write_too_big(packet.data(), *IpAddress::parse("2001:db8:1::10"), *IpAddress::parse("2001:db8:c::7"), 1460,
                quote.size());
  EXPECT_EQ(packet, ip("2001:db8:1::10", "2001:db8:c::7").icmp(2, 0, 1460).payload(quote).bytes());
}

TEST(Icmp, ErrorsStayWithinTheirLimits) {
  EXPECT_EQ(icmp_error_header_bytes(true) + max_quoted_bytes(true), 576u);
  EXPECT_EQ(icmp_error_header_bytes(false) + max_quoted_bytes(false), 1280u);
}

}  // namespace
}  // namespace sluice::dataplane
