// Translation: of packets, and of the ICMP errors about them.
#include <gtest/gtest.h>

#include "dataplane/forward/rewrite.h"
#include "dataplane/forward/translate_icmp_error.h"
#include "dataplane/stages/route.h"
#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ip;
using test::PacketBuilder;

template <bool is_v4>
void translate_as(Bytes& packet, size_t l4_offset, const FlowKey& to) {
  uint8_t *const ip = packet.data(), *const l4 = ip + l4_offset;
  const FlowKey from{
      source_of(ip, is_v4), destination_of(ip, is_v4), load<Be16>(l4), load<Be16>(l4 + 2), to.protocol, {}};
  const lb::Addresses6 addresses{from.source, from.destination, to.source, to.destination};
  translate<is_v4>(lb::Rewrite::between(from, to), addresses, to.protocol == IpProtocol::kUdp, ip, l4);
}

/// A packet that does not end here gets the ends `to`.
DropReason translate(Bytes& packet, size_t l4_offset, const FlowKey& to) {
  const bool is_v4 = to.source.is_v4();
  if (ends_here(Treatment::kTranslate, packet.data(), is_v4)) return DropReason::kTtlExpired;
  is_v4 ? translate_as<true>(packet, l4_offset, to) : translate_as<false>(packet, l4_offset, to);
  return DropReason::kNone;
}

/// One family's addresses: a client, the service, what full-nat calls the client, a backend, a router.
struct Addresses {
  const char* name;
  const char *client, *vip, *snat, *backend, *router;
  size_t ip_header;
  uint8_t unreachable, too_big;
};

class Nat : public testing::TestWithParam<Addresses> {
 protected:
  static FlowKey key(const char* source, uint16_t source_port, const char* destination,
                     uint16_t destination_port, IpProtocol protocol) {
    return {*IpAddress::parse(source),
            *IpAddress::parse(destination),
            Be16::from_host(source_port),
            Be16::from_host(destination_port),
            protocol,
            {}};
  }
  /// Towards the backend, as full-nat translates it.
  FlowKey to_backend(IpProtocol protocol) const {
    return key(GetParam().snat, 1024, GetParam().backend, 8080, protocol);
  }
  size_t header() const { return GetParam().ip_header; }
};
INSTANTIATE_TEST_SUITE_P(Families, Nat,
                         testing::Values(Addresses{"Ipv4", "198.51.100.7", "203.0.113.10", "10.20.0.1",
                                                   "10.20.0.11", "192.0.2.254", 20, 3, 3},
                                         Addresses{"Ipv6", "2001:db8:c::7", "2001:db8:1::10", "fd20::1",
                                                   "fd20::11", "2001:db8:ffff::1", 40, 1, 2}),
                         [](const auto& info) { return info.param.name; });

TEST_P(Nat, TcpGetsNewEndsAndRightChecksums) {
  const Addresses& a = GetParam();
  Bytes packet = ip(a.client, a.vip).ttl(9).tcp(40000, 80).payload("GET").bytes();
  ASSERT_EQ(translate(packet, header(), to_backend(IpProtocol::kTcp)), DropReason::kNone);
  EXPECT_EQ(packet, ip(a.snat, a.backend).ttl(8).tcp(1024, 8080).payload("GET").bytes());
}

TEST_P(Nat, UdpGetsNewEndsAndRightChecksums) {
  const Addresses& a = GetParam();
  Bytes packet = ip(a.client, a.vip).traffic_class(0xb9).udp(40000, 53).payload("query").bytes();
  ASSERT_EQ(translate(packet, header(), to_backend(IpProtocol::kUdp)), DropReason::kNone);
  EXPECT_EQ(packet,
            ip(a.snat, a.backend).traffic_class(0xb9).ttl(63).udp(1024, 8080).payload("query").bytes());
}

TEST_P(Nat, EveryChecksumStaysRight) {
  const Addresses& a = GetParam();
  // Payloads that run the checksum through all of its values, 0 and 0xffff among them.
  for (unsigned word = 0; word < 0x10000; ++word) {
    const Bytes payload = {static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word)};
    Bytes packet = ip(a.client, a.vip).udp(40000, 53).payload(payload).bytes();
    ASSERT_EQ(translate(packet, header(), to_backend(IpProtocol::kUdp)), DropReason::kNone);
    ASSERT_EQ(packet, ip(a.snat, a.backend).ttl(63).udp(1024, 8080).payload(payload).bytes()) << word;
  }
}

TEST_P(Nat, TtlEndsAtOne) {
  const Addresses& a = GetParam();
  for (const uint8_t ttl : {0, 1}) {
    const Bytes before = ip(a.client, a.vip).ttl(ttl).tcp(40000, 80).bytes();
    Bytes packet = before;
    EXPECT_EQ(translate(packet, header(), to_backend(IpProtocol::kTcp)), DropReason::kTtlExpired);
    EXPECT_EQ(packet, before);
  }
  Bytes packet = ip(a.client, a.vip).ttl(2).tcp(40000, 80).bytes();
  EXPECT_EQ(translate(packet, header(), to_backend(IpProtocol::kTcp)), DropReason::kNone);
}

TEST(NatIpv4, UdpWithoutChecksumStaysWithout) {
  Bytes packet = ip("198.51.100.7", "203.0.113.10").udp(1, 2).l4_checksum(0).bytes();
  const FlowKey to{*IpAddress::parse("10.20.0.1"),
                   *IpAddress::parse("10.20.0.11"),
                   Be16::from_host(3),
                   Be16::from_host(4),
                   IpProtocol::kUdp,
                   {}};
  ASSERT_EQ(translate(packet, 20, to), DropReason::kNone);
  EXPECT_EQ(packet, ip("10.20.0.1", "10.20.0.11").ttl(63).udp(3, 4).l4_checksum(0).bytes());
}

TEST(NatIpv4, ADamagedPacketStaysDamaged) {
  Bytes packet = ip("198.51.100.7", "203.0.113.10").tcp(1, 2).payload("intact").bytes();
  packet.back() ^= 1;
  const FlowKey to{*IpAddress::parse("10.20.0.1"),
                   *IpAddress::parse("10.20.0.11"),
                   Be16::from_host(3),
                   Be16::from_host(4),
                   IpProtocol::kTcp,
                   {}};
  ASSERT_EQ(translate(packet, 20, to), DropReason::kNone);
  Bytes expected = ip("10.20.0.1", "10.20.0.11").ttl(63).tcp(3, 4).payload("intact").bytes();
  expected.back() ^= 1;
  EXPECT_EQ(packet, expected);
}

/// A quote as a router makes it: what was sent, cut to that many bytes behind its IP header.
Bytes cut(const PacketBuilder& packet, size_t ip_header, size_t l4_bytes) {
  Bytes bytes = packet.bytes();
  if (ip_header + l4_bytes < bytes.size()) bytes.resize(ip_header + l4_bytes);
  return bytes;
}

TEST_P(Nat, ErrorsGetTheirQuoteTranslatedHoweverItIsCut) {
  const Addresses& a = GetParam();
  // A router cannot deliver the service's answer to the client: the backend shall hear of its own packet.
  for (const bool tcp : {true, false}) {
    PacketBuilder sent = ip(a.vip, a.client).ttl(50);
    PacketBuilder original = ip(a.backend, a.snat).ttl(50);
    tcp ? sent.tcp(80, 40000) : sent.udp(80, 40000);
    tcp ? original.tcp(8080, 1024) : original.udp(8080, 1024);
    sent.payload("answer");
    original.payload("answer");
    const FlowKey to = to_backend(tcp ? IpProtocol::kTcp : IpProtocol::kUdp);
    for (size_t l4_bytes = 8; l4_bytes <= 26; ++l4_bytes) {
      if (tcp && l4_bytes == 17) continue;  // half a checksum cannot follow a change: it stays as it was
      const PacketBuilder error = ip(a.router, a.vip)
                                      .icmp(a.too_big, a.too_big == 3 ? 4 : 0, 1400)
                                      .payload(cut(sent, header(), l4_bytes));
      Bytes packet = error.bytes();
      ASSERT_EQ(translate_icmp_error(packet, header(), *IpAddress::parse(a.snat), to), DropReason::kNone);
      EXPECT_EQ(packet, ip(a.snat, a.backend)
                            .ttl(63)
                            .icmp(a.too_big, a.too_big == 3 ? 4 : 0, 1400)
                            .payload(cut(original, header(), l4_bytes))
                            .bytes())
          << (tcp ? "tcp " : "udp ") << l4_bytes;
    }
  }
}

TEST_P(Nat, ErrorsFromABackendReachTheClient) {
  const Addresses& a = GetParam();
  const PacketBuilder sent = ip(a.snat, a.backend).ttl(61).udp(1024, 8080).payload("query");
  const PacketBuilder original = ip(a.client, a.vip).ttl(61).udp(40000, 53).payload("query");
  const uint8_t code = a.unreachable == 3 ? 3 : 4;
  Bytes packet = ip(a.backend, a.snat).icmp(a.unreachable, code, 0).payload(sent).bytes();
  const FlowKey to = key(a.vip, 53, a.client, 40000, IpProtocol::kUdp);
  ASSERT_EQ(translate_icmp_error(packet, header(), *IpAddress::parse(a.vip), to), DropReason::kNone);
  EXPECT_EQ(packet, ip(a.vip, a.client).ttl(63).icmp(a.unreachable, code, 0).payload(original).bytes());
}

TEST_P(Nat, ErrorsExpireToo) {
  const Addresses& a = GetParam();
  const PacketBuilder sent = ip(a.vip, a.client).udp(53, 40000);
  const Bytes before = ip(a.router, a.vip).ttl(1).icmp(a.unreachable, 0, 0).payload(sent).bytes();
  Bytes packet = before;
  EXPECT_EQ(translate_icmp_error(packet, header(), *IpAddress::parse(a.snat), to_backend(IpProtocol::kUdp)),
            DropReason::kTtlExpired);
  EXPECT_EQ(packet, before);
}

TEST(NatIpv4, QuotedUdpWithoutChecksumStaysWithout) {
  const PacketBuilder sent = ip("203.0.113.10", "198.51.100.7").udp(53, 40000).l4_checksum(0);
  const PacketBuilder original = ip("10.20.0.11", "10.20.0.1").udp(8080, 1024).l4_checksum(0);
  Bytes packet = ip("192.0.2.254", "203.0.113.10").icmp(11, 0, 0).payload(sent).bytes();
  const FlowKey to{*IpAddress::parse("10.20.0.1"),
                   *IpAddress::parse("10.20.0.11"),
                   Be16::from_host(1024),
                   Be16::from_host(8080),
                   IpProtocol::kUdp,
                   {}};
  ASSERT_EQ(translate_icmp_error(packet, 20, *IpAddress::parse("10.20.0.1"), to), DropReason::kNone);
  EXPECT_EQ(packet, ip("10.20.0.1", "10.20.0.11").ttl(63).icmp(11, 0, 0).payload(original).bytes());
}

}  // namespace
}  // namespace sluice::dataplane
