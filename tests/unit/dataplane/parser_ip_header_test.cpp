// Faults of IPv4 headers, IPv6 headers and their extension headers.
#include "tests/unit/dataplane/parser_fixture.h"

namespace sluice::dataplane {
namespace {

TEST(Parser, Ipv4HeaderFaults) {
  const PacketBuilder good = ip(kClient4, kVip4).udp(1, 2).payload("x");
  EXPECT_EQ(parse_packet(PacketBuilder(good).version(5)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(PacketBuilder(good).header_words(4)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(PacketBuilder(good).length_field(19)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(PacketBuilder(good).length_field(30)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(PacketBuilder(good).ip_checksum(0x4242)).reason, DropReason::kBadChecksum);
  EXPECT_EQ(parse_packet(PacketBuilder(good).options({1, 1, 1, 0})).reason, DropReason::kIpOptions);
  EXPECT_EQ(parse_packet(PacketBuilder(good).fragment_field(0x2000)).reason, DropReason::kFragment);
  EXPECT_EQ(parse_packet(PacketBuilder(good).fragment_field(0x0001)).reason, DropReason::kFragment);
  EXPECT_EQ(parse_packet(PacketBuilder(good).fragment_field(0)).reason, DropReason::kNone);
}

TEST(Parser, Ipv4ChecksumThatTheDeviceVerified) {
  const Bytes wrong = ethernet(kToPort, ip(kClient4, kVip4).udp(1, 2).ip_checksum(0x4242));
  EXPECT_EQ(parse_bytes(wrong, port(), {ChecksumState::kGood, ChecksumState::kUnknown}).reason,
            DropReason::kNone);
  const Bytes right = ethernet(kToPort, ip(kClient4, kVip4).udp(1, 2));
  EXPECT_EQ(parse_bytes(right, port(), {ChecksumState::kBad, ChecksumState::kUnknown}).reason,
            DropReason::kBadChecksum);
}

TEST(Parser, Ipv6HeaderFaults) {
  const PacketBuilder good = ip(kClient6, kVip6).udp(1, 2).payload("x");
  EXPECT_EQ(parse_packet(PacketBuilder(good).version(4)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(PacketBuilder(good).length_field(10)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(PacketBuilder(good).length_field(8)).reason, DropReason::kMalformedL4);
}

TEST(Parser, Ipv6MayNotPretendToBeIpv4) {
  EXPECT_EQ(parse_packet(ip("::ffff:198.51.100.7", kVip6).udp(1, 2)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(ip(kClient6, "::ffff:203.0.113.10").udp(1, 2)).reason, DropReason::kMalformedL3);
  const Bytes quote = ip("::ffff:203.0.113.10", kClient6).udp(1, 2).bytes();
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).icmp(1, 4, 0).payload(quote)).reason, DropReason::kMalformedL4);
}

TEST(Parser, Ipv6ExtensionHeadersAreWalked) {
  const Bytes options8 = {0, 0, 1, 4, 0, 0, 0, 0};  // PadN
  const Bytes exhausted_route = {0, 0, 4, 0, 0, 0, 0, 0};
  const Parsed parsed = parse_packet(ip(kClient6, kVip6)
                                         .extension(0, options8)
                                         .extension(43, exhausted_route)
                                         .extension(60, options8)
                                         .tcp(1, 2));
  ASSERT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.kind, PacketKind::kFlow);
  EXPECT_EQ(parsed.meta.l4_offset, 14 + 40 + 24);
}

TEST(Parser, Ipv6ExtensionHeaderBounds) {
  const auto with_headers = [](unsigned count, size_t bytes_each) {
    Bytes raw(bytes_each);
    raw[1] = static_cast<uint8_t>(bytes_each / 8 - 1);
    PacketBuilder packet = ip(kClient6, kVip6).udp(1, 2);
    for (unsigned i = 0; i < count; ++i) packet.extension(60, raw);
    return packet;
  };
  EXPECT_EQ(parse_packet(with_headers(8, 8)).reason, DropReason::kNone);
  EXPECT_EQ(parse_packet(with_headers(9, 8)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(with_headers(1, 256)).reason, DropReason::kNone);
  EXPECT_EQ(parse_packet(with_headers(1, 264)).reason, DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(with_headers(2, 136)).reason, DropReason::kMalformedL3);
}

TEST(Parser, Ipv6ExtensionHeadersThatEndThePacket) {
  // The header says 16 bytes, the packet has 8.
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).protocol(60).payload({17, 1, 0, 0, 0, 0, 0, 0})).reason,
            DropReason::kMalformedL3);
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).protocol(60).payload({17, 0, 0, 0})).reason,
            DropReason::kMalformedL3);
}

TEST(Parser, Ipv6RoutingHeaderWithHopsLeft) {
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).extension(43, {0, 0, 4, 1, 0, 0, 0, 0}).udp(1, 2)).reason,
            DropReason::kMalformedL3);
}

TEST(Parser, Ipv6FragmentsEvenAtomicOnes) {
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).extension(44, {0, 0, 0, 1, 0, 0, 0, 9}).udp(1, 2)).reason,
            DropReason::kFragment);
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).extension(44, {0, 0, 0, 0, 0, 0, 0, 9}).udp(1, 2)).reason,
            DropReason::kFragment);
}

}  // namespace
}  // namespace sluice::dataplane
