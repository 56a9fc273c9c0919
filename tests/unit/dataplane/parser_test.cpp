#include "dataplane/packet/parser.h"

#include "tests/unit/dataplane/parser_fixture.h"

namespace sluice::dataplane {
namespace {

INSTANTIATE_TEST_SUITE_P(Families, BothFamilies, testing::Bool(),
                         [](const auto& info) { return info.param ? "Ipv4" : "Ipv6"; });

TEST_P(BothFamilies, TcpGivesKeyOffsetsAndFlags) {
  const Parsed parsed = parse_packet(request().tcp(40000, 80).syn().payload("abc"));
  ASSERT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.kind, PacketKind::kFlow);
  EXPECT_EQ(parsed.meta.key.source, address(client()));
  EXPECT_EQ(parsed.meta.key.destination, address(vip()));
  EXPECT_EQ(parsed.meta.key.source_port.host(), 40000);
  EXPECT_EQ(parsed.meta.key.destination_port.host(), 80);
  EXPECT_EQ(parsed.meta.key.protocol, IpProtocol::kTcp);
  EXPECT_EQ(parsed.meta.tcp_flags, 0x02);
  EXPECT_EQ(parsed.meta.l3_offset, 14);
  EXPECT_EQ(parsed.meta.l4_offset, 14 + ip_header());
  EXPECT_EQ(parsed.meta.ip_bytes, ip_header() + 23);
  EXPECT_EQ(parsed.meta.is_v4(), v4());
}

TEST_P(BothFamilies, UdpGivesKey) {
  const Parsed parsed = parse_packet(request().udp(5000, 53).payload("q"));
  ASSERT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.kind, PacketKind::kFlow);
  EXPECT_EQ(parsed.meta.key.protocol, IpProtocol::kUdp);
  EXPECT_EQ(parsed.meta.key.destination_port.host(), 53);
}

TEST_P(BothFamilies, PaddingBehindTheIpPacketIsNotPartOfIt) {
  Bytes frame = ethernet(kToPort, request().udp(5000, 53));
  frame.resize(frame.size() + 11, 0xee);
  const Parsed parsed = parse_bytes(frame);
  ASSERT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.ip_bytes, ip_header() + 8);
}

TEST_P(BothFamilies, EveryTruncationIsDroppedByItsLayer) {
  const Bytes frame = ethernet(kToPort, request().tcp(1, 2));
  for (size_t size = 0; size < frame.size(); ++size) {
    const Parsed parsed = parse_bytes(Bytes(frame.begin(), frame.begin() + static_cast<long>(size)));
    EXPECT_EQ(parsed.reason, size < 14 ? DropReason::kMalformedL2 : DropReason::kMalformedL3) << size;
  }
}

TEST_P(BothFamilies, LayerFourCutInsideAValidIpLength) {
  const uint8_t icmp = v4() ? test::kProtocolIcmp : test::kProtocolIcmpv6;
  for (const auto& [protocol, minimum] :
       {std::pair{test::kProtocolTcp, size_t{20}}, {test::kProtocolUdp, size_t{8}}, {icmp, size_t{8}}}) {
    for (size_t size = 0; size < minimum; ++size) {
      EXPECT_EQ(parse_packet(request().protocol(protocol).payload_bytes(size)).reason,
                DropReason::kMalformedL4)
          << int{protocol} << " cut to " << size;
    }
  }
}

TEST_P(BothFamilies, TcpDataOffsetMustLieInTheSegment) {
  EXPECT_EQ(parse_packet(request().tcp(1, 2).data_offset(4)).reason, DropReason::kMalformedL4);
  EXPECT_EQ(parse_packet(request().tcp(1, 2).data_offset(6)).reason, DropReason::kMalformedL4);
  EXPECT_EQ(parse_packet(request().tcp(1, 2).data_offset(6).payload("opts")).reason, DropReason::kNone);
}

TEST_P(BothFamilies, UdpLengthMustBeThatOfThePacket) {
  EXPECT_EQ(parse_packet(request().udp(1, 2).payload("four").udp_length(7)).reason, DropReason::kMalformedL4);
  EXPECT_EQ(parse_packet(request().udp(1, 2).payload("four").udp_length(11)).reason,
            DropReason::kMalformedL4);
  EXPECT_EQ(parse_packet(request().udp(1, 2).payload("four").udp_length(13)).reason,
            DropReason::kMalformedL4);
}

TEST_P(BothFamilies, WrongLayerFourChecksum) {
  EXPECT_EQ(parse_packet(request().tcp(1, 2).l4_checksum(0x1234)).reason, DropReason::kBadChecksum);
  EXPECT_EQ(parse_packet(request().udp(1, 2).l4_checksum(0x1234)).reason, DropReason::kBadChecksum);
  EXPECT_EQ(parse_packet(request().icmp(v4() ? 8 : 128, 0, 1).l4_checksum(0x1234)).reason,
            DropReason::kBadChecksum);
}

TEST_P(BothFamilies, OddPayloadsCountInTheChecksum) {
  for (size_t size = 0; size < 9; ++size) {
    EXPECT_EQ(parse_packet(request().udp(1, 2).payload_bytes(size)).reason, DropReason::kNone) << size;
  }
}

TEST_P(BothFamilies, ZeroUdpChecksumIsForIpv4Only) {
  EXPECT_EQ(parse_packet(request().udp(1, 2).l4_checksum(0)).reason,
            v4() ? DropReason::kNone : DropReason::kBadChecksum);
}

TEST_P(BothFamilies, WhatTheDeviceVerifiedIsBelieved) {
  const Bytes wrong = ethernet(kToPort, request().tcp(1, 2).l4_checksum(0x1234));
  EXPECT_EQ(parse_bytes(wrong, port(), {ChecksumState::kUnknown, ChecksumState::kGood}).reason,
            DropReason::kNone);
  const Bytes right = ethernet(kToPort, request().tcp(1, 2));
  EXPECT_EQ(parse_bytes(right, port(), {ChecksumState::kUnknown, ChecksumState::kBad}).reason,
            DropReason::kBadChecksum);
}

TEST_P(BothFamilies, OtherProtocolsKeepTheirAddresses) {
  const Parsed parsed = parse_packet(request().protocol(89).payload_bytes(3));
  EXPECT_EQ(parsed.reason, DropReason::kNone);
  EXPECT_EQ(parsed.meta.kind, PacketKind::kOther);
  EXPECT_EQ(parsed.meta.key.source, address(client()));
  EXPECT_EQ(parsed.meta.key.source_port.host(), 0);
}

TEST_P(BothFamilies, ForeignMacIsNotForUs) {
  const Bytes frame = ethernet({"02:00:00:00:00:99", "02:00:00:00:00:02"}, request().tcp(1, 2));
  EXPECT_EQ(parse_bytes(frame).reason, DropReason::kNoService);
}

TEST_P(BothFamilies, WhatIsSentToManyIsNotForUs) {
  for (const char* many : {"ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"}) {
    const Link to_many{kToPort.source, many};
    EXPECT_EQ(parse_bytes(ethernet(to_many, request().tcp(1, 2))).reason, DropReason::kNoService) << many;
    const Bytes echo = ethernet(to_many, request().icmp(v4() ? 8 : 128, 0, 1));
    EXPECT_EQ(parse_bytes(echo).reason, DropReason::kNoService) << many;
  }
}

TEST_P(BothFamilies, SourcesThatAreNoHostAreMalformed) {
  const std::vector<const char*> martians =
      v4() ? std::vector{"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"}
           : std::vector{"::", "::1", "ff02::1", "ff0e::7"};
  for (const char* martian : martians) {
    const PacketBuilder from = ip(martian, vip());
    EXPECT_EQ(parse_packet(PacketBuilder(from).udp(1, 2)).reason, DropReason::kMalformedL3) << martian;
    EXPECT_EQ(parse_packet(PacketBuilder(from).icmp(v4() ? 8 : 128, 0, 1)).reason, DropReason::kMalformedL3)
        << martian;
    const PacketBuilder about = ip(vip(), client()).tcp(80, 1);
    PacketBuilder error = v4() ? PacketBuilder(from).icmp(3, 3, 0) : PacketBuilder(from).icmp(1, 4, 0);
    EXPECT_EQ(parse_packet(error.payload(about)).reason, DropReason::kMalformedL3) << martian;
  }
  for (const char* host : v4() ? std::vector{"1.0.0.1", "126.0.0.1", "128.0.0.1", "223.255.255.254"}
                               : std::vector{"::2", "::100:0:0:0", "fe80::1", "100::"}) {
    EXPECT_EQ(parse_packet(ip(host, vip()).udp(1, 2)).reason, DropReason::kNone) << host;
  }
}

TEST_P(BothFamilies, VlanTagsMustBeThePortsOwn) {
  const auto tagged = [&](std::vector<uint16_t> vlans) {
    return ethernet({kToPort.source, kToPort.destination, std::move(vlans)}, request().tcp(1, 2));
  };
  const Parsed one = parse_bytes(tagged({100}), port({100}));
  EXPECT_EQ(one.reason, DropReason::kNone);
  EXPECT_EQ(one.meta.l3_offset, 18);
  const Parsed two = parse_bytes(tagged({200, 100}), port({200, 100}));
  EXPECT_EQ(two.reason, DropReason::kNone);
  EXPECT_EQ(two.meta.l3_offset, 22);
  EXPECT_EQ(two.meta.l4_offset, 22 + ip_header());
  EXPECT_EQ(parse_bytes(tagged({101}), port({100})).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({}), port({100})).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({100}), port()).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({200, 100}), port({200})).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({200}), port({200, 100})).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({100, 200}), port({200, 100})).reason, DropReason::kWrongVlan);
}

TEST_P(BothFamilies, VlanTagsWithIdZeroCountAsNone) {
  const auto tagged = [&](std::vector<uint16_t> vlans) {
    return ethernet({kToPort.source, kToPort.destination, std::move(vlans)}, request().tcp(1, 2));
  };
  const auto accepted = [&](std::vector<uint16_t> vlans, std::vector<uint16_t> own) {
    const size_t offset = 14 + 4 * vlans.size();
    const auto parsed = parse_bytes(tagged(std::move(vlans)), port(std::move(own)));
    return parsed.reason == DropReason::kNone && parsed.meta.l3_offset == offset;
  };
  EXPECT_TRUE(accepted({0}, {}));
  EXPECT_TRUE(accepted({0, 0}, {}));
  EXPECT_TRUE(accepted({0, 100}, {100}));
  EXPECT_TRUE(accepted({100, 0}, {100}));
  EXPECT_TRUE(accepted({200, 0, 100, 0}, {200, 100}));
  EXPECT_EQ(parse_bytes(tagged({0}), port({100})).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({0, 0, 0}), port()).reason, DropReason::kWrongVlan);
  EXPECT_EQ(parse_bytes(tagged({0, 101}), port({100})).reason, DropReason::kWrongVlan);
}

TEST(Parser, VlanPriorityBitsAreNotTheId) {
  const Bytes frame =
      ethernet({kToPort.source, kToPort.destination, {0xe064}}, ip(kClient4, kVip4).udp(1, 2));
  EXPECT_EQ(parse_bytes(frame, port({0x064})).reason, DropReason::kNone);
}

TEST(Parser, CutVlanTag) {
  Bytes frame = ethernet({kToPort.source, kToPort.destination, {100}}, Bytes{});
  frame.resize(17);
  EXPECT_EQ(parse_bytes(frame, port({100})).reason, DropReason::kMalformedL2);
}

TEST(Parser, UnknownEtherTypes) {
  EXPECT_EQ(parse_bytes(ethernet(kToPort, Bytes(46), 0x88cc)).reason, DropReason::kNoService);
  EXPECT_EQ(parse_bytes(ethernet(kToPort, Bytes(46), 0x0026)).reason, DropReason::kNoService);
}

TEST(Parser, ArpIsANeighborPacketUnlessCut) {
  Bytes frame =
      ethernet({"02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff"},
               test::arp(1, "02:00:00:00:00:99", "10.10.0.7", "00:00:00:00:00:00", "10.10.0.1"), 0x0806);
  EXPECT_EQ(parse_bytes(frame).reason, DropReason::kNone);
  EXPECT_EQ(parse_bytes(frame).meta.kind, PacketKind::kNeighbor);
  frame.pop_back();
  EXPECT_EQ(parse_bytes(frame).reason, DropReason::kMalformedL3);
}

TEST(Parser, NeighborDiscoveryIsANeighborPacket) {
  for (const uint8_t type : {135, 136}) {
    EXPECT_EQ(parse_packet(ip("fe80::7", "fe80::1").ttl(255).icmp(type, 0, 0).payload_bytes(24)).meta.kind,
              PacketKind::kNeighbor);
  }
  EXPECT_EQ(parse_packet(ip("fe80::7", "ff02::1").ttl(255).icmp(134, 0, 0).payload_bytes(8)).meta.kind,
            PacketKind::kOther);
}

TEST(Parser, OnlyNeighborDiscoveryIsHeardByManyAndFromNobody) {
  const Link to_many{kToPort.source, "33:33:ff:00:00:01"};
  const auto probe = ip("::", "ff02::1:ff00:1").ttl(255).icmp(135, 0, 0).payload_bytes(16);
  EXPECT_EQ(parse_bytes(ethernet(to_many, probe)).reason, DropReason::kNone);
  EXPECT_EQ(parse_bytes(ethernet(to_many, probe)).meta.kind, PacketKind::kNeighbor);
  const auto report = ip("::", "ff02::16").ttl(1).icmp(143, 0, 0).payload_bytes(16);
  EXPECT_EQ(parse_bytes(ethernet(to_many, report)).reason, DropReason::kMalformedL3);
  const auto router = ip("fe80::7", "ff02::1").ttl(255).icmp(134, 0, 0).payload_bytes(8);
  EXPECT_EQ(parse_bytes(ethernet(to_many, router)).reason, DropReason::kNoService);
}

}  // namespace
}  // namespace sluice::dataplane
