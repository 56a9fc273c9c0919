// ICMP and ICMPv6 through the whole pipeline: echo, what is too big, and errors about flows.
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class Icmp : public FamilyTest {
 protected:
  uint8_t echo_request() const { return v4() ? 8 : 128; }
  uint8_t echo_reply() const { return v4() ? 0 : 129; }
  /// "Fragmentation needed" or "packet too big", quoting `about` cut to that many bytes.
  PacketBuilder too_big(const std::string& source, const std::string& destination, uint32_t mtu,
                        const PacketBuilder& about, size_t quoted = 1500) const {
    Bytes quote = about.bytes();
    if (quote.size() > quoted) quote.resize(quoted);
    PacketBuilder error = ip(source, destination);
    return v4() ? error.icmp(3, 4, mtu).payload(quote) : error.icmp(2, 0, mtu).payload(quote);
  }
  PacketBuilder unreachable(const std::string& source, const std::string& destination,
                            const PacketBuilder& about) const {
    PacketBuilder error = ip(source, destination);
    return v4() ? error.icmp(3, 1, 0).payload(about) : error.icmp(1, 3, 0).payload(about);
  }
  /// What the gateway itself sends has id 0, and as IPv4 the precedence of internetwork control.
  PacketBuilder as_own(PacketBuilder packet) const {
    return v4() ? packet.ip_id(0).traffic_class(0xc0) : packet;
  }
  /// A router beyond the gateway's own.
  const char* router() const { return v4() ? "192.0.2.254" : "2001:db8:ffff::1"; }
};
INSTANTIATE_FOR_FAMILIES(Icmp);

TEST_P(Icmp, EchoToVipsAndPortAddressesIsAnswered) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  for (const char* asked : {family().vip, family().edge, family().core}) {
    gateway.receive(
        kEdge,
        from_client(ip(family().client, asked).ttl(5).icmp(echo_request(), 0, 0x00070001).payload("ping")));
    EXPECT_EQ(gateway.sent(kEdge),
              Frames{to_client(ip(asked, family().client).icmp(echo_reply(), 0, 0x00070001).payload("ping"))})
        << asked;
  }
  EXPECT_EQ(gateway.dropped(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST_P(Icmp, EchoToOthersIsNot) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  gateway.receive(kEdge, from_client(ip(family().client, family().vip2).icmp(echo_request(), 0, 1)));
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  EXPECT_EQ(gateway.dropped(DropReason::kNoService), 1u);
}

TEST_P(Icmp, EchoRepliesAreLimited) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  const Bytes frame = from_client(ip(family().client, family().vip).icmp(echo_request(), 0, 1));
  for (int i = 0; i < 1100; ++i) gateway.receive(kEdge, frame);
  EXPECT_EQ(gateway.sent(kEdge).size(), 1000u);
  EXPECT_EQ(gateway.dropped(DropReason::kRateLimited), 100u);
  gateway.advance_ms(5);
  for (int i = 0; i < 100; ++i) gateway.receive(kEdge, frame);
  EXPECT_EQ(gateway.sent(kEdge).size(), 50u);
  EXPECT_EQ(gateway.dropped(), 150u);
  expect_counters_to_add_up(gateway);
}

TEST(IcmpIpv6, EchoFromALinkLocalAddressIsAnsweredOnItsLink) {
  auto tables = make_tables({});
  tables->neighbors.push_back(
      {kEdge, *IpAddress::parse("fe80::77"), *MacAddress::parse("02:00:00:00:00:77")});
  TestGateway gateway(tables);
  gateway.receive(
      kEdge, ethernet({"02:00:00:00:00:77", kEdgeMac}, ip("fe80::77", "fe80::ff:fe00:1").icmp(128, 0, 1)));
  EXPECT_EQ(gateway.sent(kEdge), Frames{ethernet({kEdgeMac, "02:00:00:00:00:77"},
                                                 ip("fe80::ff:fe00:1", "fe80::77").icmp(129, 0, 1))});
}

TEST_P(Icmp, TooBigToEncapsulateIsToldToTheClient) {
  struct Case {
    ForwardMode mode;
    const Family& outer;
    uint32_t fits;
  };
  for (const Case& c : {Case{ForwardMode::kIpip, kIpv4, 1480},
                        {ForwardMode::kIpip, kIpv6, 1460},
                        {ForwardMode::kGue, kIpv4, 1472},
                        {ForwardMode::kGue, kIpv6, 1452}}) {
    ServiceSpec spec = service(c.mode);
    spec.backends[0] = {.address = c.outer.backend};
    TestGateway gateway(make_tables({spec}));
    const size_t headers = family().header + 20;
    const PacketBuilder fits = request().payload_bytes(c.fits - headers);
    gateway.receive(kEdge, from_client(fits));
    EXPECT_EQ(gateway.sent(kCore).size(), 1u);
    EXPECT_EQ(gateway.dropped(), 0u);
    const PacketBuilder beyond = request().payload_bytes(c.fits - headers + 1);
    gateway.receive(kEdge, from_client(beyond));
    EXPECT_EQ(gateway.sent(kCore), Frames{});
    EXPECT_EQ(
        gateway.sent(kEdge),
        Frames{to_client(as_own(too_big(family().vip, family().client, c.fits, beyond, v4() ? 548 : 1232)))});
    EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
    expect_counters_to_add_up(gateway);
  }
}

TEST_P(Icmp, TooBigForTheBackendsPort) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kDirect}) {
    auto tables = make_tables({service(mode)});
    tables->ports[kCore].mtu = 1400;
    TestGateway gateway(tables);
    const PacketBuilder beyond = request().payload_bytes(1400);
    gateway.receive(kEdge, from_client(beyond));
    EXPECT_EQ(
        gateway.sent(kEdge),
        Frames{to_client(as_own(too_big(family().vip, family().client, 1400, beyond, v4() ? 548 : 1232)))});
    EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
  }
}

TEST_P(Icmp, TooBigAnswersOfABackendAreToldToIt) {
  auto tables = make_tables({service(ForwardMode::kFullNat)});
  tables->ports[kEdge].mtu = 1400;
  TestGateway gateway(tables);
  gateway.receive(kEdge, from_client(request()));
  const uint16_t port = source_port_of(gateway.sent(kCore).at(0));
  const PacketBuilder answer = ip(family().backend, family().snat).tcp(8080, port).payload_bytes(1400);
  gateway.receive(kCore, from_backend(family().backend, answer));
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  EXPECT_EQ(gateway.sent(kCore),
            Frames{to_backend(family().backend, as_own(too_big(family().snat, family().backend, 1400, answer,
                                                               v4() ? 548 : 1232)))});
}

TEST(IcmpIpv4, TooBigWithoutDontFragmentIsDroppedInSilence) {
  const ServiceSpec spec{
      .address = kIpv4.vip, .forward = ForwardMode::kIpip, .backends = {{.address = kIpv4.backend}}};
  TestGateway gateway(make_tables({spec}));
  gateway.receive(
      kEdge, from_client(ip(kIpv4.client, kIpv4.vip).dont_fragment(false).tcp(1, 80).payload_bytes(1460)));
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
}

TEST_P(Icmp, OwnErrorsAreLimited) {
  TestGateway gateway(make_tables({service(ForwardMode::kIpip)}));
  const Bytes frame = from_client(request().payload_bytes(1450));
  for (int i = 0; i < 150; ++i) gateway.receive(kEdge, frame);
  EXPECT_EQ(gateway.sent(kEdge).size(), 100u);
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 150u);
  gateway.advance_ms(10);
  for (int i = 0; i < 50; ++i) gateway.receive(kEdge, frame);
  EXPECT_EQ(gateway.sent(kEdge).size(), 10u);
}

TEST_P(Icmp, ErrorsReachTheBackendByTheModeOfItsService) {
  const PacketBuilder answer = ip(family().vip, family().client).tcp(80, 40000).payload("too long");
  const PacketBuilder error = too_big(router(), family().vip, 1400, answer);
  for (const bool known : {true, false}) {  // else the policy finds the backend again
    TestGateway direct(make_tables({service(ForwardMode::kDirect)}));
    if (known) direct.receive(kEdge, from_client(request().syn()));
    direct.sent(kCore);
    direct.receive(kEdge, from_client(error));
    EXPECT_EQ(direct.sent(kCore), Frames{to_backend(family().backend, error)});

    TestGateway ipip(make_tables({service(ForwardMode::kIpip)}));
    if (known) ipip.receive(kEdge, from_client(request().syn()));
    ipip.sent(kCore);
    ipip.receive(kEdge, from_client(error));
    EXPECT_EQ(ipip.sent(kCore),
              Frames{to_backend(family().backend, ip(family().edge, family().backend)
                                                      .ip_id(0)
                                                      .protocol(v4() ? kProtocolIpip : kProtocolIpv6)
                                                      .payload(error))});
  }
}

TEST_P(Icmp, GueErrorsTakeThePathOfTheirFlow) {
  for (const bool known : {true, false}) {
    TestGateway gateway(make_tables({service(ForwardMode::kGue)}));
    if (known) gateway.receive(kEdge, from_client(request()));
    gateway.sent(kCore);
    const PacketBuilder answer = ip(family().vip, family().client).tcp(80, 40000);
    gateway.receive(kEdge, from_client(unreachable(router(), family().vip, answer)));
    const Frames error = gateway.sent(kCore);
    gateway.receive(kEdge, from_client(request()));
    const Frames packet = gateway.sent(kCore);
    ASSERT_EQ(error.size(), 1u);
    ASSERT_EQ(packet.size(), 1u);
    EXPECT_EQ(source_port_of(error[0]), source_port_of(packet[0]));
  }
}

TEST_P(Icmp, TooBigForARouterOnTheWayToABackendIsToldToTheClient) {
  struct Tunnel {
    ForwardMode mode;
    const Family& outer;
    size_t headers;
  };
  for (const Tunnel& tunnel : {Tunnel{ForwardMode::kIpip, kIpv4, 20},
                               {ForwardMode::kIpip, kIpv6, 40},
                               {ForwardMode::kGue, kIpv4, 28},
                               {ForwardMode::kGue, kIpv6, 48}}) {
    ServiceSpec spec = service(tunnel.mode);
    spec.backends[0] = {.address = tunnel.outer.backend};
    TestGateway gateway(make_tables({spec}));
    const PacketBuilder sent = request().payload_bytes(1000);
    gateway.receive(kEdge, from_client(sent));
    Bytes quote = gateway.sent(kCore).at(0);
    quote.erase(quote.begin(), quote.begin() + 14);
    for (const size_t quoted : {tunnel.headers + family().header + 8, tunnel.headers + 300}) {
      const Bytes cut(quote.begin(), quote.begin() + static_cast<long>(quoted));
      const PacketBuilder error = ip(tunnel.outer.router, tunnel.outer.edge).ttl(60);
      const bool outer_v4 = tunnel.outer.header == 20;
      const auto from_router = outer_v4 ? PacketBuilder(error).icmp(3, 4, 1400).payload(cut)
                                        : PacketBuilder(error).icmp(2, 0, 1400).payload(cut);
      gateway.receive(kCore, from_backend(tunnel.outer.backend, from_router));
      EXPECT_EQ(gateway.sent(kEdge),
                Frames{to_client(as_own(too_big(family().vip, family().client,
                                                static_cast<uint32_t>(1400 - tunnel.headers), sent,
                                                quoted - tunnel.headers)))});
      EXPECT_EQ(gateway.dropped(), 0u);
    }
    const Bytes short_of_ports(quote.begin(),
                               quote.begin() + static_cast<long>(tunnel.headers + family().header + 7));
    const bool outer_v4 = tunnel.outer.header == 20;
    PacketBuilder useless = ip(tunnel.outer.router, tunnel.outer.edge);
    useless = outer_v4 ? useless.icmp(3, 4, 1400) : useless.icmp(2, 0, 1400);
    gateway.receive(kCore, from_backend(tunnel.outer.backend, useless.payload(short_of_ports)));
    EXPECT_EQ(gateway.dropped(DropReason::kNoService), 1u);
    EXPECT_EQ(gateway.sent(kEdge), Frames{});
    expect_counters_to_add_up(gateway);
  }
}

TEST_P(Icmp, ErrorsAboutTunnelsThatAreNotOursAreDropped) {
  TestGateway gateway(make_tables({service(ForwardMode::kIpip)}));
  const uint8_t protocol = v4() ? kProtocolIpip : kProtocolIpv6;
  const auto tunnel = [&](const char* source, const PacketBuilder& inner) {
    return ip(source, family().backend).protocol(protocol).payload(inner);
  };
  const PacketBuilder to_nobody = ip(family().client, family().vip2).tcp(1, 80).payload("data");
  const PacketBuilder from_all =
      ip(v4() ? "255.255.255.255" : "ff02::1", family().vip).tcp(1, 80).payload("data");
  for (const PacketBuilder& quoted : {tunnel(family().core, request()), tunnel(family().edge, to_nobody),
                                      tunnel(family().edge, from_all)}) {
    gateway.receive(kCore,
                    from_backend(family().backend, too_big(family().router, family().edge, 1400, quoted)));
  }
  const PacketBuilder known = tunnel(family().edge, request());
  gateway.receive(kCore, from_backend(family().backend, unreachable(family().router, family().edge, known)));
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  EXPECT_EQ(gateway.dropped(DropReason::kNoService), 4u);
}

TEST_P(Icmp, ErrorsPassFullNatToTheBackend) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  gateway.receive(kEdge, from_client(request()));
  const uint16_t port = source_port_of(gateway.sent(kCore).at(0));
  for (const char* source : {router(), family().client}) {
    const PacketBuilder answer = ip(family().vip, family().client).ttl(60).tcp(80, 40000).payload("answer");
    gateway.receive(kEdge, from_client(too_big(source, family().vip, 1400, answer)));
    const PacketBuilder original =
        ip(family().backend, family().snat).ttl(60).tcp(8080, port).payload("answer");
    EXPECT_EQ(gateway.sent(kCore),
              Frames{to_backend(family().backend,
                                too_big(family().snat, family().backend, 1400, original).ttl(63))});
  }
}

TEST_P(Icmp, ErrorsPassFullNatToTheClient) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  gateway.receive(kEdge, from_client(request()));
  const uint16_t port = source_port_of(gateway.sent(kCore).at(0));
  const char* inner_router = v4() ? "10.20.0.12" : "fd20::12";
  for (const char* source : {family().backend, inner_router}) {
    const PacketBuilder sent = ip(family().snat, family().backend).ttl(63).tcp(port, 8080);
    gateway.receive(kCore, from_backend(family().backend, unreachable(source, family().snat, sent)));
    // Nothing of the inside is shown: the error comes from the service, about what the client sent.
    EXPECT_EQ(gateway.sent(kEdge),
              Frames{to_client(unreachable(family().vip, family().client, request().ttl(63)).ttl(63))});
  }
}

TEST_P(Icmp, ErrorsPassDnatBothWays) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat, IpProtocol::kUdp)}));
  const PacketBuilder query = ip(family().client, family().vip).udp(40000, 80).payload("query");
  gateway.receive(kEdge, from_client(query));
  gateway.sent(kCore);

  // A router of the client's side stays itself: a dnat backend sees that network anyway.
  const PacketBuilder answer = ip(family().vip, family().client).udp(80, 40000).payload("answer");
  gateway.receive(kEdge, from_client(too_big(router(), family().vip, 1300, answer)));
  const PacketBuilder original = ip(family().backend, family().client).udp(8080, 40000).payload("answer");
  EXPECT_EQ(
      gateway.sent(kCore),
      Frames{to_backend(family().backend, too_big(router(), family().backend, 1300, original).ttl(63))});

  const PacketBuilder sent = ip(family().client, family().backend).ttl(63).udp(40000, 8080).payload("query");
  gateway.receive(kCore,
                  from_backend(family().backend, unreachable(family().backend, family().client, sent)));
  EXPECT_EQ(
      gateway.sent(kEdge),
      Frames{to_client(unreachable(family().vip, family().client, PacketBuilder(query).ttl(63)).ttl(63))});
  EXPECT_EQ(gateway.dropped(), 0u);
}

TEST_P(Icmp, ErrorsAboutNothingOfOursAreDropped) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  const PacketBuilder unknown_flow = ip(family().vip, family().client).tcp(80, 1);
  gateway.receive(kEdge, from_client(unreachable(router(), family().vip, unknown_flow)));
  const PacketBuilder no_service = ip(family().vip2, family().client).tcp(80, 1);
  gateway.receive(kEdge, from_client(unreachable(router(), family().vip2, no_service)));
  EXPECT_EQ(gateway.dropped(DropReason::kNoService), 2u);
  EXPECT_EQ(gateway.sent(kCore), Frames{});
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
}

TEST_P(Icmp, NoErrorIsMadeAboutAnError) {
  auto tables = make_tables({service(ForwardMode::kIpip)});
  tables->ports[kCore].mtu = 576;
  TestGateway gateway(tables);
  const PacketBuilder answer = ip(family().vip, family().client).tcp(80, 40000).payload_bytes(600);
  gateway.receive(kEdge, from_client(unreachable(router(), family().vip, answer)));
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
}

}  // namespace
}  // namespace sluice::test
