#include <gtest/gtest.h>

#include "dataplane/forward/rewrite.h"
#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using lb::ForwardMode;
using test::Bytes;
using test::ip;
using test::PacketBuilder;

constexpr const char* kSource4 = "10.10.0.1";
constexpr const char* kSource6 = "fd10::1";

Encapsulation encapsulation() {
  return {*IpAddress::parse(kSource4), *IpAddress::parse(kSource6), 6080};
}

PathRewrite path(ForwardMode mode, const char* backend, bool inner_v4) {
  const lb::Backend to{.address = *IpAddress::parse(backend), .port = {}};
  return path_rewrite(mode, {to, encapsulation(), inner_v4});
}

/// Puts the outer headers into the room in front of the inner packet.
void encapsulate(Bytes& packet, const PathRewrite& path, bool inner_v4, Be16 source_port) {
  uint8_t* const ip = packet.data() + path.outer.bytes;
  const size_t ip_bytes = packet.size() - path.outer.bytes;
  EXPECT_EQ(path.outer.write(ip, inner_v4, ip_bytes, source_port), packet.data());
}

/// Inner and outer family.
class Encapsulate : public testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  bool inner_v4() const { return std::get<0>(GetParam()); }
  bool outer_v4() const { return std::get<1>(GetParam()); }
  PacketBuilder inner() const {
    return inner_v4()
               ? ip("198.51.100.7", "203.0.113.10").traffic_class(0xba).ttl(7).udp(9, 53).payload("odd")
               : ip("2001:db8:c::7", "2001:db8:1::10").traffic_class(0xba).ttl(7).udp(9, 53).payload("odd");
  }
  const char* backend() const { return outer_v4() ? "10.20.0.11" : "fd20::11"; }
  PacketBuilder outer() const {
    return ip(outer_v4() ? kSource4 : kSource6, backend())
        .ip_id(0)
        .dont_fragment()
        .ttl(64)
        .traffic_class(0xba);
  }
  Bytes behind_room(size_t room) const {
    Bytes bytes(room, 0xee);
    test::append(bytes, inner().bytes());
    return bytes;
  }
};
INSTANTIATE_TEST_SUITE_P(Families, Encapsulate, testing::Combine(testing::Bool(), testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "4" : "6") + "in" +
                                  (std::get<1>(info.param) ? "4" : "6");
                         });

TEST_P(Encapsulate, IpipPutsOneHeaderInFront) {
  const size_t room = ipip_bytes(outer_v4());
  Bytes packet = behind_room(room);
  encapsulate(packet, path(ForwardMode::kIpip, backend(), inner_v4()), inner_v4(), {});
  const uint8_t protocol = inner_v4() ? test::kProtocolIpip : test::kProtocolIpv6;
  EXPECT_EQ(packet, outer().protocol(protocol).payload(inner()).bytes());
}

TEST_P(Encapsulate, GuePutsUdpInFront) {
  const size_t room = gue_bytes(outer_v4());
  Bytes packet = behind_room(room);
  encapsulate(packet, path(ForwardMode::kGue, backend(), inner_v4()), inner_v4(), Be16::from_host(0x8765));
  PacketBuilder expected = outer().udp(0x8765, 6080).payload(inner());
  if (outer_v4()) expected.l4_checksum(0);
  EXPECT_EQ(packet, expected.bytes());
}

TEST(Gue, UdpChecksumOverIpv6IsNeverZero) {
  // Runs the checksum through all values by the source port.
  const PacketBuilder inner = ip("198.51.100.7", "203.0.113.10").udp(9, 53).payload("x");
  const size_t room = gue_bytes(false);
  const PathRewrite over_v6 = path(ForwardMode::kGue, "fd20::11", true);
  for (unsigned port = 0; port < 0x10000; ++port) {
    Bytes packet(room);
    test::append(packet, inner.bytes());
    encapsulate(packet, over_v6, true, Be16::from_host(static_cast<uint16_t>(port)));
    ASSERT_NE(load<uint16_t>(packet.data() + 46), 0) << port;
  }
}

TEST(Gue, SourcePortIsOfTheUpperHalf) {
  EXPECT_EQ(gue_source_port(0).host(), 0x8000);
  EXPECT_EQ(gue_source_port(0x1234567890ab1234).host(), 0x9234);
  EXPECT_EQ(gue_source_port(~uint64_t{0}).host(), 0xffff);
}

}  // namespace
}  // namespace sluice::dataplane
