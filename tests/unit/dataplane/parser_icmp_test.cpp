// ICMP and what its errors quote.
#include "tests/unit/dataplane/parser_fixture.h"

namespace sluice::dataplane {
namespace {

TEST_P(BothFamilies, EchoRequestsAreToldFromOtherIcmp) {
  EXPECT_EQ(parse_packet(request().icmp(v4() ? 8 : 128, 0, 1)).meta.kind, PacketKind::kEcho);
  const Parsed reply = parse_packet(request().icmp(v4() ? 0 : 129, 0, 1));
  EXPECT_EQ(reply.reason, DropReason::kNone);
  EXPECT_EQ(reply.meta.kind, PacketKind::kOther);
  EXPECT_EQ(reply.meta.key.destination, address(vip()));
}

TEST_P(BothFamilies, IcmpErrorsGiveTheQuotedKey) {
  const Bytes quoted = ip(vip(), client()).tcp(80, 40000).payload("more").bytes();
  for (size_t l4_bytes = 8; l4_bytes <= 24; ++l4_bytes) {
    const Bytes cut(quoted.begin(), quoted.begin() + static_cast<long>(ip_header() + l4_bytes));
    const Parsed parsed = parse_packet(error(cut));
    ASSERT_EQ(parsed.reason, DropReason::kNone) << l4_bytes;
    EXPECT_EQ(parsed.meta.kind, PacketKind::kIcmpError);
    EXPECT_EQ(parsed.meta.key.source, address(vip()));
    EXPECT_EQ(parsed.meta.key.source_port.host(), 80);
    EXPECT_EQ(parsed.meta.key.destination, address(client()));
    EXPECT_EQ(parsed.meta.key.destination_port.host(), 40000);
    EXPECT_EQ(parsed.meta.key.protocol, IpProtocol::kTcp);
  }
}

TEST_P(BothFamilies, QuotesCutBeforeTheirPortsAreMalformed) {
  const Bytes quoted = ip(vip(), client()).udp(80, 40000).bytes();
  for (size_t size = 0; size < ip_header() + 8; ++size) {
    EXPECT_EQ(parse_packet(error(Bytes(quoted.begin(), quoted.begin() + static_cast<long>(size)))).reason,
              DropReason::kMalformedL4)
        << size;
  }
}

TEST_P(BothFamilies, ErrorsAboutOtherProtocolsAreNoFlows) {
  const Parsed parsed = parse_packet(error(ip(vip(), client()).icmp(v4() ? 0 : 129, 0, 1).bytes()));
  EXPECT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.kind, PacketKind::kOther);
  EXPECT_EQ(parsed.meta.key.source, address(client()));
}

TEST(Parser, QuotedFirstFragmentsShowTheirPorts) {
  const Bytes first = ip(kVip6, kClient6).extension(44, {0, 0, 0, 1, 0, 0, 0, 9}).udp(53, 4000).bytes();
  const Parsed parsed = parse_packet(ip(kClient6, kVip6).icmp(2, 0, 1280).payload(first));
  ASSERT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.kind, PacketKind::kIcmpError);
  EXPECT_EQ(parsed.meta.key.destination_port.host(), 4000);
  const Bytes later = ip(kVip6, kClient6).extension(44, {0, 0, 0, 9, 0, 0, 0, 9}).udp(53, 4000).bytes();
  EXPECT_EQ(parse_packet(ip(kClient6, kVip6).icmp(2, 0, 1280).payload(later)).meta.kind, PacketKind::kOther);
  const Bytes later4 = ip(kVip4, kClient4).fragment_field(0x0008).udp(53, 4000).bytes();
  EXPECT_EQ(parse_packet(ip(kClient4, kVip4).icmp(3, 4, 1400).payload(later4)).meta.kind, PacketKind::kOther);
}

TEST(Parser, QuotedIpv4OptionsAreSkipped) {
  const Bytes quote = ip(kVip4, kClient4).options({1, 1, 1, 0}).udp(53, 4000).bytes();
  const Parsed parsed = parse_packet(ip(kClient4, kVip4).icmp(11, 0, 0).payload(quote));
  EXPECT_EQ(parsed.meta.kind, PacketKind::kIcmpError);
  EXPECT_EQ(parsed.meta.key.source_port.host(), 53);
}

TEST(Parser, WhichIcmpTypesAreErrors) {
  const Bytes quote4 = ip(kVip4, kClient4).udp(53, 4000).bytes();
  const Bytes quote6 = ip(kVip6, kClient6).udp(53, 4000).bytes();
  for (int type = 0; type < 256; ++type) {
    const auto number = static_cast<uint8_t>(type);
    const bool error4 = type == 3 || type == 11 || type == 12;
    EXPECT_EQ(parse_packet(ip(kClient4, kVip4).icmp(number, 0, 0).payload(quote4)).meta.kind ==
                  PacketKind::kIcmpError,
              error4)
        << type;
    const bool error6 = type >= 1 && type <= 4;
    EXPECT_EQ(parse_packet(ip(kClient6, kVip6).icmp(number, 0, 0).payload(quote6)).meta.kind ==
                  PacketKind::kIcmpError,
              error6)
        << type;
  }
}

}  // namespace
}  // namespace sluice::dataplane
