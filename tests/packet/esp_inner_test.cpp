// What comes out of an ESP tunnel: packets of known flows by the short way, which does with them what the
// long way does; and neither way takes a replay, or in clear what the tunnel is to bring.
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "tests/packet/packet_test.h"
#include "tests/support/esp_site.h"

namespace sluice::test {
namespace {

/// Whether answers to clients have gone by the short way: it alone remembers how these are reached.
bool knows_ways_to_clients(TestGateway& gateway) {
  const dataplane::Worker& worker = gateway.worker();
  for (uint32_t number = 1; number < 4 * dataplane::ClientWays::kPlaces; ++number) {
    if (worker.client_ways.find(number, worker.neighbors.version()) != nullptr) return true;
  }
  return false;
}

class EspInner : public testing::TestWithParam<std::tuple<Family, unsigned, bool, Way>> {
 protected:
  EspInner() : site_({.is_udp = std::get<2>(GetParam()), .workers = way() == Way::kPlain ? 1u : 2u}) {
    vlans_.resize(std::get<1>(GetParam()));
    for (size_t i = 0; i < vlans_.size(); ++i) vlans_[i] = static_cast<uint16_t>(200 + i);
  }

  const Family& family() const { return std::get<0>(GetParam()); }
  Way way() const { return std::get<3>(GetParam()); }
  const char* remote() const { return family().header == 20 ? EspSite::kBackend4 : EspSite::kBackend6; }

  /// A gateway whose service has one backend there; core has the VLAN tags.
  std::shared_ptr<dataplane::Tables> tables(const char* backend) const {
    auto tables = make_tables({ServiceSpec{.address = family().vip,
                                           .forward = ForwardMode::kDnat,
                                           .backends = {{.address = backend, .port = 8080}}}});
    site_.lead(*tables);
    tables->ports[kCore].vlan_tags = static_cast<uint8_t>(vlans_.size());
    std::copy(vlans_.begin(), vlans_.end(), tables->ports[kCore].vlan_ids.begin());
    return tables;
  }
  PacketBuilder request(uint16_t port = 40000) const {
    return ip(family().client, family().vip).tcp(port, 80);
  }
  PacketBuilder answer(uint16_t port = 40000) const { return ip(remote(), family().client).tcp(8080, port); }
  /// What becomes of answer().
  PacketBuilder answered(uint16_t port = 40000) const {
    return ip(family().vip, family().client).tcp(80, port).ttl(63);
  }
  Bytes at_core(const Bytes& frame) const {
    return ethernet({mac_of(family().backend2), kCoreMac, vlans_}, Bytes(frame.begin() + 14, frame.end()));
  }
  Bytes sealed(const PacketBuilder& inner) { return at_core(site_.sealed(inner.bytes(), next_++)); }
  Bytes sealed_as(const PacketBuilder& inner, uint64_t number) const {
    return at_core(site_.sealed(inner.bytes(), number));
  }
  /// Has two flows answer until nothing new is learnt of them.
  void make_known(TestGateway& gateway) {
    for (int i = 0; i < 3; ++i) {
      for (const uint16_t port : {40000, 40001}) {
        gateway.receive(kEdge, from_client(request(port)));
        gateway.receive(kCore, sealed(answer(port)));
      }
    }
    ASSERT_EQ(gateway.sent(kEdge).size(), 6u);
    ASSERT_EQ(gateway.sent(kCore).size(), 6u);
    if (way() == Way::kPlain) ASSERT_TRUE(knows_ways_to_clients(gateway));
  }
  uint64_t packets_in() const {
    uint64_t sum = 0;
    for (const auto& counters : site_.state().counters) sum += counters.packets_in.read();
    return sum;
  }
  uint64_t bytes_in() const {
    uint64_t sum = 0;
    for (const auto& counters : site_.state().counters) sum += counters.bytes_in.read();
    return sum;
  }

  EspSite site_;
  std::vector<uint16_t> vlans_;
  uint64_t next_ = 1;
};
INSTANTIATE_TEST_SUITE_P(All, EspInner,
                         testing::Combine(testing::Values(kIpv4, kIpv6), testing::Values(0u, 1u, 2u),
                                          testing::Bool(), testing::Values(Way::kParsed, Way::kPlain)));

TEST_P(EspInner, AnswersKeepTheOrderOfTheirFlow) {
  TestGateway gateway(tables(remote()), shape_for(way()));
  make_known(gateway);
  const uint64_t packets_before = packets_in(), bytes_before = bytes_in();
  // What ends a flow takes the long way, and what comes behind it must not overtake it.
  gateway.put(kCore, sealed(answer().payload("1")));
  gateway.put(kCore, sealed(answer(40001).payload("a")));
  gateway.put(kCore, sealed(answer().fin().payload("2")));
  gateway.put(kCore, sealed(answer().payload("3")));
  gateway.put(kCore, sealed(answer(40001).payload("b")));
  gateway.settle();
  Frames first, second;
  for (const Bytes& frame : gateway.sent(kEdge)) {
    const size_t destination_port = 14 + family().header + 2;
    const bool is_first = frame[destination_port + 1] == (40000 & 0xff);
    (is_first ? first : second).push_back(frame);
  }
  EXPECT_EQ(first, (Frames{to_client(answered().payload("1")), to_client(answered().fin().payload("2")),
                           to_client(answered().payload("3"))}));
  EXPECT_EQ(second,
            (Frames{to_client(answered(40001).payload("a")), to_client(answered(40001).payload("b"))}));
  EXPECT_EQ(packets_in() - packets_before, 5u);
  EXPECT_EQ(bytes_in() - bytes_before, 5 * (family().header + 20 + 1));
  EXPECT_EQ(gateway.dropped(), 0u);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST_P(EspInner, AReplayAmongThemIsNoneOfThem) {
  TestGateway gateway(tables(remote()), shape_for(way()));
  make_known(gateway);
  const uint64_t before = packets_in(), number = next_;
  for (const unsigned offset : {0u, 1u, 1u, 0u, 2u}) {
    gateway.put(kCore, sealed_as(answer().payload(std::to_string(offset)), number + offset));
  }
  gateway.settle();
  EXPECT_EQ(gateway.sent(kEdge),
            (Frames{to_client(answered().payload("0")), to_client(answered().payload("1")),
                    to_client(answered().payload("2"))}));
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 2u);
  EXPECT_EQ(gateway.dropped(), 2u);
  EXPECT_EQ(packets_in() - before, 3u);
}

TEST_P(EspInner, WhatTheTunnelIsToBringIsRefusedInClearBesideIt) {
  TestGateway gateway(tables(remote()), shape_for(way()));
  make_known(gateway);
  const auto in_clear = [&](const PacketBuilder& packet) {
    return ethernet({mac_of(family().backend2), kCoreMac, vlans_}, packet);
  };
  gateway.put(kCore, in_clear(answer().payload("forged")));
  gateway.put(kCore, sealed(answer().payload("true")));
  gateway.put(kCore, in_clear(answer().payload("forged")));
  gateway.settle();
  EXPECT_EQ(gateway.sent(kEdge), Frames{to_client(answered().payload("true"))});
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 2u);
  EXPECT_EQ(gateway.dropped(), 2u);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
}

TEST_P(EspInner, ABrokenPacketOfAKnownFlowIsDropped) {
  TestGateway gateway(tables(remote()), shape_for(way()));
  make_known(gateway);
  const uint64_t before = packets_in();
  gateway.put(kCore, sealed(answer().payload("right")));
  gateway.put(kCore, sealed(answer().payload("wrong").l4_checksum(0x1234)));
  gateway.settle();
  EXPECT_EQ(gateway.sent(kEdge), Frames{to_client(answered().payload("right"))});
  EXPECT_EQ(gateway.dropped(DropReason::kBadChecksum), 1u);
  EXPECT_EQ(packets_in() - before, 1u);
}

TEST_P(EspInner, ClientsBehindTheTunnelKeepTheOrderOfTheirFlows) {
  TestGateway gateway(tables(family().backend), shape_for(way()));
  const auto from_site = [&](uint16_t port) { return ip(remote(), family().vip).tcp(port, 80); };
  const auto to = [&](const PacketBuilder& packet) {
    return ethernet({kCoreMac, mac_of(family().backend), vlans_}, packet);
  };
  const auto forwarded = [&](uint16_t port) {
    return ip(remote(), family().backend).tcp(port, 8080).ttl(63);
  };
  for (int i = 0; i < 3; ++i) gateway.receive(kCore, sealed(from_site(40000)));
  ASSERT_EQ(gateway.sent(kCore).size(), 3u);
  for (const char* const payload : {"1", "2", "3", "4", "5", "6", "7", "8", "9"})
    gateway.put(kCore, sealed(from_site(40000).payload(payload)));
  gateway.put(kCore, sealed(from_site(40000).fin()));
  gateway.put(kCore, sealed(from_site(40000).payload("last")));
  gateway.settle();
  Frames expected;
  for (const char* const payload : {"1", "2", "3", "4", "5", "6", "7", "8", "9"})
    expected.push_back(to(forwarded(40000).payload(payload)));
  expected.push_back(to(forwarded(40000).fin()));
  expected.push_back(to(forwarded(40000).payload("last")));
  EXPECT_EQ(gateway.sent(kCore), expected);
  EXPECT_EQ(packets_in(), 14u);
  EXPECT_EQ(gateway.dropped(), 0u);
}

}  // namespace
}  // namespace sluice::test
