// Each reason for which a packet disappears, seen through the whole pipeline: the counter goes up by one,
// nothing comes out, and no buffer is lost. The parser's unit test has the variants of its reasons;
// `inspected` belongs to stages that are not built.
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class Drop : public FamilyTest {
 protected:
  /// Puts one frame in and expects that reason and no other.
  static void expect_drop(TestGateway& gateway, const Bytes& frame, DropReason reason, uint8_t port = kEdge) {
    const uint64_t before = gateway.dropped(), of_reason = gateway.dropped(reason);
    gateway.receive(port, frame);
    EXPECT_EQ(gateway.dropped(reason), of_reason + 1) << dataplane::name_of(reason);
    EXPECT_EQ(gateway.dropped(), before + 1) << dataplane::name_of(reason);
    EXPECT_EQ(gateway.sent(kEdge), Frames{});
    EXPECT_EQ(gateway.sent(kCore), Frames{});
    EXPECT_EQ(gateway.buffers_in_use(), 0u);
    expect_counters_to_add_up(gateway);
  }
};
INSTANTIATE_FOR_FAMILIES(Drop);

TEST_P(Drop, ByTheParser) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  Bytes cut = from_client(request());
  cut.resize(13);
  expect_drop(gateway, cut, DropReason::kMalformedL2);
  expect_drop(gateway, ethernet({kRouterMac, kEdgeMac, {5}}, request()), DropReason::kWrongVlan);
  expect_drop(gateway, from_client(request().length_field(3000)), DropReason::kMalformedL3);
  expect_drop(gateway, from_client(request().data_offset(15)), DropReason::kMalformedL4);
  expect_drop(gateway, from_client(request().l4_checksum(0xbad)), DropReason::kBadChecksum);
  if (v4()) {
    expect_drop(gateway, from_client(request().options({1, 1, 1, 1})), DropReason::kIpOptions);
    expect_drop(gateway, from_client(request().fragment_field(0x2000)), DropReason::kFragment);
  } else {
    expect_drop(gateway, from_client(request().extension(44, {0, 0, 0, 1, 0, 0, 0, 7})),
                DropReason::kFragment);
  }
}

TEST_P(Drop, TtlExpired) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat}) {
    TestGateway gateway(make_tables({service(mode)}));
    expect_drop(gateway, from_client(request().ttl(1)), DropReason::kTtlExpired);
  }
}

TEST_P(Drop, NoService) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  expect_drop(gateway, from_client(request().ports(1, 81)), DropReason::kNoService);
  expect_drop(gateway, from_client(ip(family().client, family().vip).udp(1, 80)), DropReason::kNoService);
  expect_drop(gateway, from_client(ip(family().client, family().vip2).tcp(1, 80)), DropReason::kNoService);
  expect_drop(gateway, from_client(ip(family().client, family().edge).tcp(1, 22)), DropReason::kNoService);
  expect_drop(gateway, from_client(ip(family().client, family().vip).protocol(89)), DropReason::kNoService);
  expect_drop(gateway, ethernet({kRouterMac, kCoreMac}, request()), DropReason::kNoService);
  expect_drop(gateway, ethernet({kRouterMac, kEdgeMac}, Bytes(46), 0x88cc), DropReason::kNoService);
}

TEST_P(Drop, NoBackend) {
  ServiceSpec spec = service(ForwardMode::kDirect);
  spec.backends[0].state = BackendState::kDown;
  TestGateway gateway(make_tables({spec}));
  expect_drop(gateway, from_client(request()), DropReason::kNoBackend);
}

TEST_P(Drop, NoRoute) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kIpip,
                                 ForwardMode::kGue, ForwardMode::kDirect}) {
    ServiceSpec spec = service(mode);
    spec.backends[0].has_route = false;
    TestGateway gateway(make_tables({spec}));
    expect_drop(gateway, from_client(request()), DropReason::kNoRoute);
  }
}

TEST_P(Drop, NoRouteBackToTheClient) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  gateway.receive(kEdge, from_client(request()));
  gateway.sent(kCore);
  auto without_default = make_tables({service(ForwardMode::kDnat)});
  without_default->routes = dataplane::RouteTable::build({});
  gateway.publish(without_default);
  expect_drop(gateway, from_backend(family().backend, ip(family().backend, family().client).tcp(8080, 40000)),
              DropReason::kNoRoute, kCore);
  expect_drop(gateway, from_client(ip(family().client, family().vip).icmp(v4() ? 8 : 128, 0, 1)),
              DropReason::kNoRoute);
}

TEST_P(Drop, TooBigWithoutAnybodyToTell) {
  auto tables = make_tables({service(ForwardMode::kIpip)});
  tables->ports[kCore].mtu = 1300;
  tables->routes = dataplane::RouteTable::build({});  // no way to the sender
  TestGateway gateway(tables);
  expect_drop(gateway, from_client(request().payload_bytes(1290)), DropReason::kTooBig);
}

TEST_P(Drop, PortExhausted) {
  // Two services in front of one dnat backend: their answers to one client port cannot be told apart. Who was
  // answered keeps it.
  ServiceSpec first = service(ForwardMode::kDnat), second = service(ForwardMode::kDnat);
  second.address = family().vip2;
  TestGateway gateway(make_tables({first, second}));
  gateway.receive(kEdge, from_client(request()));
  ASSERT_EQ(gateway.sent(kCore).size(), 1u);
  gateway.receive(kCore,
                  from_backend(family().backend, ip(family().backend, family().client).tcp(8080, 40000)));
  ASSERT_EQ(gateway.sent(kEdge).size(), 1u);
  for (const uint8_t flags : {0x02, 0x10}) {
    expect_drop(gateway, from_client(ip(family().client, family().vip2).tcp(40000, 80).tcp_flags(flags)),
                DropReason::kPortExhausted);
  }
}

TEST_P(Drop, NoServiceForWhatBelongsToNoConnectionBehindNat) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat}) {
    TestGateway gateway(make_tables({service(mode)}));
    for (const uint8_t flags : {0x04, 0x14, 0x12, 0x06, 0x03}) {
      expect_drop(gateway, from_client(request().tcp_flags(flags)), DropReason::kNoService);
    }
  }
}

TEST_P(Drop, DeniedIsAnAnswerByAnotherPortThanTheBackends) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  gateway.receive(kEdge, from_client(request()));
  gateway.sent(kCore);
  const PacketBuilder answer = ip(family().backend, family().client).tcp(8080, 40000);
  expect_drop(gateway, from_client(answer), DropReason::kDenied);
  gateway.receive(kCore, from_backend(family().backend, answer));
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
}

TEST_P(Drop, RateLimited) {
  auto tables = make_tables({});
  tables->ports[kEdge].kernel = true;
  TestGateway gateway(tables);
  const Bytes frame = from_client(ip(family().client, family().edge).tcp(1, 22));
  for (int i = 0; i < 1000; ++i) gateway.receive(kEdge, frame);
  EXPECT_EQ(gateway.sent_to_kernel(kEdge).size(), 1000u);
  expect_drop(gateway, frame, DropReason::kRateLimited);
  gateway.advance_ms(1);  // 10,000 a second are 10 a millisecond
  for (int i = 0; i < 10; ++i) gateway.receive(kEdge, frame);
  EXPECT_EQ(gateway.sent_to_kernel(kEdge).size(), 10u);
  expect_drop(gateway, frame, DropReason::kRateLimited);
}

TEST_P(Drop, NeighborUnresolved) {
  auto tables = make_tables({service(ForwardMode::kDirect)});
  tables->neighbors.clear();
  TestGateway gateway(tables);
  for (unsigned i = 0; i < dataplane::kMaxWaitingPackets; ++i) gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.dropped(), 0u);
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);  // the question
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.dropped(DropReason::kNeighborUnresolved), 1u);
}

TEST_P(Drop, NoHeadroom) {
  TestGateway gateway(make_tables({service(ForwardMode::kGue)}), {.headroom = 0});
  // The Ethernet header makes room for 14 bytes of what gue adds.
  expect_drop(gateway, from_client(request()), DropReason::kNoHeadroom);
}

TEST_P(Drop, TxFull) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  for (int i = 0; i < 1023; ++i) gateway.receive(kEdge, from_client(request()));  // the device's ring is full
  ASSERT_EQ(gateway.dropped(), 0u);
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.dropped(DropReason::kTxFull), 1u);
  EXPECT_EQ(gateway.sent(kCore).size(), 1023u);
}

TEST_P(Drop, RingFull) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}),
                      {.rx_workers = 1, .lb_workers = 1, .ring_size = 4});
  for (int i = 0; i < 6; ++i) gateway.put(kEdge, from_client(request()));
  gateway.settle();
  EXPECT_EQ(gateway.dropped(DropReason::kRingFull), 2u);
  EXPECT_EQ(gateway.worker(0).stats.ring_full.read(), 2u);
  EXPECT_EQ(gateway.sent(kCore).size(), 4u);
  expect_counters_to_add_up(gateway);
}

TEST_P(Drop, FramesBeyondABufferAreTooBig) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  gateway.put_in_two_segments(kEdge, from_client(request().payload_bytes(500)));
  gateway.settle();
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
}

}  // namespace
}  // namespace sluice::test
