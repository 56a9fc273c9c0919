// Every forwarding mode, both families, across families where that is possible, both directions where the
// gateway sees both.
#include <algorithm>

#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class Forward : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(Forward);

TEST_P(Forward, FullNatRewritesBothEndsAndBack) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  gateway.receive(kEdge, from_client(request().syn().ttl(10)));
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  const uint16_t port = source_port_of(out[0]);
  EXPECT_GE(port, 1024);
  EXPECT_EQ(out[0],
            to_backend(family().backend, ip(family().snat, family().backend).ttl(9).tcp(port, 8080).syn()));

  gateway.receive(kCore, from_backend(family().backend,
                                      ip(family().backend, family().snat).tcp(8080, port).payload("hello")));
  EXPECT_EQ(gateway.sent(kEdge),
            Frames{to_client(ip(family().vip, family().client).ttl(63).tcp(80, 40000).payload("hello"))});

  gateway.receive(kEdge, from_client(request().payload("GET /")));
  EXPECT_EQ(gateway.sent(kCore),
            Frames{to_backend(family().backend,
                              ip(family().snat, family().backend).ttl(63).tcp(port, 8080).payload("GET /"))});
  EXPECT_EQ(gateway.dropped(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST_P(Forward, FullNatGivesEachFlowAPortOfItsOwn) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  std::vector<uint16_t> ports;
  for (uint16_t flow = 0; flow < 20; ++flow) {
    gateway.receive(kEdge, from_client(request(static_cast<uint16_t>(40000 + flow)).syn()));
    const Frames out = gateway.sent(kCore);
    ASSERT_EQ(out.size(), 1u);
    ports.push_back(source_port_of(out[0]));
  }
  std::sort(ports.begin(), ports.end());
  EXPECT_EQ(std::unique(ports.begin(), ports.end()), ports.end());
}

TEST_P(Forward, DnatKeepsTheClientAndTranslatesBack) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat, IpProtocol::kUdp)}));
  gateway.receive(kEdge, from_client(ip(family().client, family().vip).udp(40000, 80).payload("query")));
  EXPECT_EQ(
      gateway.sent(kCore),
      Frames{to_backend(family().backend,
                        ip(family().client, family().backend).ttl(63).udp(40000, 8080).payload("query"))});
  gateway.receive(kCore,
                  from_backend(family().backend,
                               ip(family().backend, family().client).udp(8080, 40000).payload("answer")));
  EXPECT_EQ(gateway.sent(kEdge),
            Frames{to_client(ip(family().vip, family().client).ttl(63).udp(80, 40000).payload("answer"))});
  EXPECT_EQ(gateway.dropped(), 0u);
}

TEST_P(Forward, ABackendWithoutPortKeepsThePackets) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat}) {
    ServiceSpec spec = service(mode);
    spec.first_port = 8000;
    spec.last_port = 8099;
    spec.backends[0].port = 0;
    TestGateway gateway(make_tables({spec}));
    gateway.receive(kEdge, from_client(request().ports(40000, 8042)));
    const Frames out = gateway.sent(kCore);
    ASSERT_EQ(out.size(), 1u);
    const bool full = mode == ForwardMode::kFullNat;
    const uint16_t port = full ? source_port_of(out[0]) : 40000;
    const char* source = full ? family().snat : family().client;
    EXPECT_EQ(out[0], to_backend(family().backend, ip(source, family().backend).ttl(63).tcp(port, 8042)));
  }
}

TEST_P(Forward, DirectTouchesNothingButTheMacAddresses) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  const PacketBuilder packet = request().ttl(1).traffic_class(0x2e).payload("as it came");
  gateway.receive(kEdge, from_client(packet));
  EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(family().backend, packet)});
}

TEST_P(Forward, IpipWithinAndAcrossFamilies) {
  for (const Family& outer : {kIpv4, kIpv6}) {
    ServiceSpec spec = service(ForwardMode::kIpip);
    spec.backends[0] = {.address = outer.backend};
    TestGateway gateway(make_tables({spec}));
    const PacketBuilder inner = request().ttl(1).traffic_class(0xb9).payload("inner");
    gateway.receive(kEdge, from_client(inner));
    EXPECT_EQ(gateway.sent(kCore),
              Frames{to_backend(outer.backend, ip(outer.edge, outer.backend)
                                                   .traffic_class(0xb9)
                                                   .ip_id(0)
                                                   .protocol(v4() ? kProtocolIpip : kProtocolIpv6)
                                                   .payload(inner))})
        << outer.name;
  }
}

TEST_P(Forward, GueWithinAndAcrossFamilies) {
  for (const Family& outer : {kIpv4, kIpv6}) {
    ServiceSpec spec = service(ForwardMode::kGue);
    spec.backends[0] = {.address = outer.backend};
    TestGateway gateway(make_tables({spec}));
    const PacketBuilder inner = request().traffic_class(0x03).payload("inner");
    const auto expected = [&](uint16_t port) {
      PacketBuilder packet = ip(outer.edge, outer.backend).traffic_class(0x03).ip_id(0);
      packet.udp(port, 6080).payload(inner);
      if (outer.header == 20) packet.l4_checksum(0);
      return to_backend(outer.backend, packet);
    };
    gateway.receive(kEdge, from_client(inner));
    const Frames first = gateway.sent(kCore);
    ASSERT_EQ(first.size(), 1u);
    const uint16_t port = source_port_of(first[0]);
    EXPECT_GE(port, 0x8000);
    EXPECT_EQ(first[0], expected(port)) << outer.name;
    gateway.receive(kEdge, from_client(inner));
    EXPECT_EQ(gateway.sent(kCore), Frames{expected(port)});
  }
}

TEST(ForwardGue, SourcePortIsTheFlowHashWithItsTopBitSet) {
  // SipHash-2-4 with the key of test_tables.h (00 01 .. 0f) over the 37 bytes of the flow
  // 198.51.100.7:40000 > 203.0.113.10:80/tcp, by an independent implementation: fcf41f9d41382f1d.
  const ServiceSpec spec{
      .address = kIpv4.vip, .forward = ForwardMode::kGue, .backends = {{.address = kIpv4.backend}}};
  TestGateway gateway(make_tables({spec}));
  gateway.receive(kEdge, from_client(ip(kIpv4.client, kIpv4.vip).tcp(40000, 80)));
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(source_port_of(out[0]), 0xaf1d);
}

TEST_P(Forward, PaddingIsNotForwarded) {
  for (const ForwardMode mode : {ForwardMode::kDirect, ForwardMode::kDnat, ForwardMode::kIpip}) {
    TestGateway gateway(make_tables({service(mode)}));
    Bytes padded = from_client(request());
    const size_t bare = padded.size();
    padded.resize(bare + 9, 0xee);
    gateway.receive(kEdge, padded);
    const Frames out = gateway.sent(kCore);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].size(), mode == ForwardMode::kIpip ? bare + family().header : bare);
  }
}

TEST_P(Forward, VlanTagsAreThoseOfEachPort) {
  auto tables = make_tables({service(ForwardMode::kDirect)});
  tables->ports[kEdge].vlan_tags = 1;
  tables->ports[kEdge].vlan_ids = {100, 0};
  tables->ports[kCore].vlan_tags = 2;
  tables->ports[kCore].vlan_ids = {200, 300};
  TestGateway gateway(tables);
  gateway.receive(kEdge, ethernet({kRouterMac, kEdgeMac, {100}}, request()));
  EXPECT_EQ(gateway.sent(kCore),
            Frames{ethernet({kCoreMac, mac_of(family().backend), {200, 300}}, request())});
}

TEST(ForwardIpv6, ExtensionHeadersStayInPlace) {
  const ServiceSpec spec{
      .address = kIpv6.vip, .forward = ForwardMode::kDnat, .backends = {{.address = kIpv6.backend}}};
  TestGateway gateway(make_tables({spec}));
  const Bytes padding = {0, 0, 1, 4, 0, 0, 0, 0};
  const auto packet = [&](const char* destination, uint8_t ttl) {
    return ip(kIpv6.client, destination).ttl(ttl).extension(60, padding).tcp(40000, 80).payload("x");
  };
  gateway.receive(kEdge, from_client(packet(kIpv6.vip, 64)));
  EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(kIpv6.backend, packet(kIpv6.backend, 63))});
}

TEST_P(Forward, PrefixAndAnyPortServices) {
  ServiceSpec spec = service(ForwardMode::kDirect);
  spec.address = v4() ? "203.0.113.0/28" : "2001:db8:1::/112";
  spec.first_port = 0;
  spec.last_port = 65535;
  TestGateway gateway(make_tables({spec}));
  for (const uint16_t port : {1, 80, 65535}) {
    const PacketBuilder packet = request().ports(5, port);
    gateway.receive(kEdge, from_client(packet));
    EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(family().backend, packet)});
  }
}

TEST_P(Forward, DrainingBackendsKeepTheirFlowsAndGetNoNewOnes) {
  ServiceSpec spec = service(ForwardMode::kDirect);
  spec.backends = {{.address = family().backend}, {.address = family().backend2}};
  TestGateway gateway(make_tables({spec}));
  gateway.receive(kEdge, from_client(request().syn()));
  const Frames first = gateway.sent(kCore);
  ASSERT_EQ(first.size(), 1u);
  const size_t chosen = first[0] == to_backend(family().backend, request().syn()) ? 0 : 1;
  const char* const other = chosen == 0 ? family().backend2 : family().backend;

  spec.backends[chosen].state = BackendState::kDraining;
  gateway.publish(make_tables({spec}));
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(spec.backends[chosen].address, request())});
  for (uint16_t port = 1; port <= 10; ++port) {
    gateway.receive(kEdge, from_client(request(port).syn()));
    EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(other, request(port).syn())});
  }
}

TEST_P(Forward, FlowsOfBackendsThatAreGoneArePickedAnew) {
  for (const BackendState gone : {BackendState::kDown, BackendState::kMaintenance, BackendState::kRemoved}) {
    ServiceSpec spec = service(ForwardMode::kDirect);
    spec.backends = {{.address = family().backend}, {.address = family().backend2}};
    TestGateway gateway(make_tables({spec}));
    gateway.receive(kEdge, from_client(request().syn()));
    const Frames first = gateway.sent(kCore);
    ASSERT_EQ(first.size(), 1u);
    const size_t chosen = first[0] == to_backend(family().backend, request().syn()) ? 0 : 1;
    spec.backends[chosen].state = gone;
    gateway.publish(make_tables({spec}));
    gateway.receive(kEdge, from_client(request()));
    EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(spec.backends[1 - chosen].address, request())});
  }
}

TEST_P(Forward, AFullFlowTableIsNoDrop) {
  TestGateway gateway(make_tables({service(ForwardMode::kIpip)}), {.flow_table_entries = 8});
  for (uint16_t flow = 1; flow <= 100; ++flow) gateway.receive(kEdge, from_client(request(flow).ack()));
  EXPECT_EQ(gateway.sent(kCore).size(), 100u);
  EXPECT_GT(gateway.worker().balancer.table_full(), 0u);
  EXPECT_EQ(gateway.dropped(), 0u);
}

}  // namespace
}  // namespace sluice::test
