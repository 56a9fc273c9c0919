// The outer headers of eight packets at once, beside packets that were put together byte by byte.
#include "dataplane/forward/encapsulate_eight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "dataplane/forward/gue.h"
#include "dataplane/forward/ipip.h"
#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ip;
using test::PacketBuilder;

constexpr uint16_t kGuePort = 6080;

struct Kind {
  bool inner_v4, outer_v4, has_udp;
};

/// That of UDP over IPv6.
uint16_t outer_checksum(const Bytes& packet) {
  return static_cast<uint16_t>(packet[46] << 8 | packet[47]);
}
/// The source port by which the checksum of a packet comes to 0, if it has that one by `port`.
uint16_t port_of_zero(uint16_t port, const Bytes& packet) {
  const uint32_t sum = uint32_t{port} + outer_checksum(packet);
  return static_cast<uint16_t>(sum + (sum >> 16));
}

class EncapsulateEight : public testing::Test {
 protected:
  uint32_t number() { return static_cast<uint32_t>(random_()); }
  bool one_of(unsigned cases) { return random_() % cases == 0; }
  uint16_t any_port() { return static_cast<uint16_t>(one_of(8) ? 0xffff : number()); }
  IpAddress any_address(bool is_v4) {
    if (is_v4) return IpAddress::v4(Be32::from_network(one_of(8) ? 0 : one_of(8) ? UINT32_MAX : number()));
    std::array<uint8_t, 16> bytes;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(one_of(4) ? 0xff : number());
    bytes[0] = 0x20;  // not an IPv4-mapped one, which is written otherwise
    return IpAddress::v6(bytes.data());
  }
  PacketBuilder between(bool is_v4) {
    return ip(any_address(is_v4).to_string(), any_address(is_v4).to_string());
  }
  Bytes any_payload() {
    Bytes payload(one_of(4) ? 0 : number() % 300);
    const bool is_full = one_of(8);
    for (uint8_t& byte : payload) byte = static_cast<uint8_t>(is_full ? 0xff : number());
    return payload;
  }
  PacketBuilder any_inner(bool is_v4, bool is_summed);
  void expect_encapsulated(const Kind& kind);
  void encapsulate(const Kind& kind, const EightInner& inner, const EightPlaces& path, Lanes ports);

  std::mt19937 random_{5};
};

PacketBuilder EncapsulateEight::any_inner(bool is_v4, bool is_summed) {
  PacketBuilder packet = between(is_v4);
  packet.traffic_class(static_cast<uint8_t>(one_of(4) ? 0xff : number())).ttl(static_cast<uint8_t>(number()));
  if (is_v4) packet.ip_id(static_cast<uint16_t>(number()));
  if (!is_v4) packet.flow_label(number() & 0xfffff);
  if (one_of(2)) {
    packet.udp(any_port(), any_port());
    if (!is_summed && one_of(2)) packet.l4_checksum(0);
  } else {
    packet.tcp(any_port(), any_port()).sequence(number());
  }
  return packet.payload(any_payload());
}

void EncapsulateEight::encapsulate(const Kind& kind, const EightInner& inner, const EightPlaces& path,
                                   Lanes ports) {
  const auto by_inner = [&]<bool inner_v4>() {
    if (kind.outer_v4) {
      kind.has_udp ? put_behind_ipv4<inner_v4, true>(inner, path, ports)
                   : put_behind_ipv4<inner_v4, false>(inner, path, ports);
    } else {
      kind.has_udp ? put_behind_ipv6<inner_v4, true>(inner, path, ports)
                   : put_behind_ipv6<inner_v4, false>(inner, path, ports);
    }
  };
  kind.inner_v4 ? by_inner.operator()<true>() : by_inner.operator()<false>();
}

void EncapsulateEight::expect_encapsulated(const Kind& kind) {
  const size_t added = (kind.outer_v4 ? 20u : 40u) + (kind.has_udp ? 8u : 0u);
  for (unsigned round = 0; round < 2'000; ++round) {
    std::array<KnownPath, 8> paths{};
    EightPlaces path;
    std::array<Bytes, 8> packets, expected;
    std::array<uint8_t*, 8> places;
    std::array<uint32_t, 8> first_words, bytes, ports{};
    uint32_t udp = 0;
    for (size_t i = 0; i < 8; ++i) {
      const IpAddress source = any_address(kind.outer_v4), destination = any_address(kind.outer_v4);
      const Encapsulation ends{kind.outer_v4 ? source : IpAddress(), kind.outer_v4 ? IpAddress() : source,
                               kGuePort};
      const lb::Backend backend{.address = destination, .port = {}};
      const PathEnds path_ends{backend, ends, kind.inner_v4};
      paths[i].rewrite = kind.has_udp ? gue(path_ends) : ipip(path_ends);
      path[i] = &paths[i];

      // Only where a UDP checksum is made of theirs must packets have one.
      const Bytes inner = any_inner(kind.inner_v4, !kind.outer_v4 && kind.has_udp).bytes();
      packets[i].assign(added, 0xaa);
      test::append(packets[i], inner);
      places[i] = packets[i].data() + added;
      first_words[i] = load<uint32_t>(places[i]);
      bytes[i] = static_cast<uint32_t>(inner.size());
      const uint8_t protocol = inner[kind.inner_v4 ? 9 : 6];
      udp |= uint32_t{protocol == test::kProtocolUdp} << i;
      PacketBuilder outer = ip(source.to_string(), destination.to_string());
      outer.traffic_class(kind.inner_v4 ? inner[1] : static_cast<uint8_t>(inner[0] << 4 | inner[1] >> 4));
      outer.ip_id(0).payload(inner);
      if (kind.has_udp) {
        uint16_t port = any_port();
        outer.udp(port, kGuePort);
        if (kind.outer_v4) outer.l4_checksum(0);
        if (!kind.outer_v4 && one_of(8)) {
          port = port_of_zero(port, outer.bytes());
          outer.udp(port, kGuePort);
          EXPECT_EQ(outer_checksum(outer.bytes()), 0xffff) << "0 is sent so";
        }
        ports[i] = Be16::from_host(port).network();
      } else {
        outer.protocol(kind.inner_v4 ? test::kProtocolIpip : test::kProtocolIpv6);
      }
      expected[i] = outer.bytes();
    }
    const EightInner inner{places.data(), load<Lanes>(first_words.data()), load<Lanes>(bytes.data()), udp};
    encapsulate(kind, inner, path, load<Lanes>(ports.data()));
    for (size_t i = 0; i < 8; ++i) ASSERT_EQ(packets[i], expected[i]) << round << ", " << i;
  }
}

TEST_F(EncapsulateEight, IsWhatOnePutsTogetherByHand) {
  for (unsigned kind = 0; kind < 8; ++kind) {
    SCOPED_TRACE(kind);
    expect_encapsulated({(kind & 1) != 0, (kind & 2) != 0, (kind & 4) != 0});
  }
}

}  // namespace
}  // namespace sluice::dataplane
