// Health checks that go through a service: they leave as a client's packets would, and their answers come to
// the control thread.
#include "dataplane/stages/carry_checks.h"

#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

using dataplane::CheckPacket;

class Check : public FamilyTest {
 protected:
  static CheckPacket check_of(const PacketBuilder& packet, ForwardMode mode, const std::string& backend) {
    const Bytes bytes = packet.bytes();
    CheckPacket check;
    check.mode = mode;
    check.backend = *IpAddress::parse(backend);
    check.size = static_cast<uint16_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), check.bytes.begin());
    return check;
  }
  static void send(TestGateway& gateway, const CheckPacket& check) {
    ASSERT_TRUE(gateway.checks().send(check));
    EXPECT_EQ(send_checks(gateway.worker()), 1u);
    gateway.settle();
  }
  /// From the gateway's own address to the service.
  PacketBuilder question() const { return ip(family().core, family().vip).tcp(50000, 80); }
  PacketBuilder answer() const { return ip(family().vip, family().core).tcp(80, 50000); }
  static Bytes taken(TestGateway& gateway) {
    std::array<CheckPacket, 4> packets;
    if (gateway.checks().take(packets) != 1) return {};
    const auto bytes = packets[0].ip();
    return Bytes(bytes.begin(), bytes.end());
  }
};
INSTANTIATE_FOR_FAMILIES(Check);

TEST_P(Check, LeavesAsAClientsPacketDoes) {
  for (const ForwardMode mode : {ForwardMode::kDirect, ForwardMode::kIpip, ForwardMode::kGue}) {
    for (const Family& outer : {kIpv4, kIpv6}) {
      const Family& way = mode == ForwardMode::kDirect ? family() : outer;
      ServiceSpec spec = service(mode);
      spec.backends[0].address = way.backend;
      TestGateway gateway(make_tables({spec}));
      gateway.receive(kEdge, from_client(request().syn()));
      const Frames of_client = gateway.sent(kCore);
      ASSERT_EQ(of_client.size(), 1u);

      send(gateway, check_of(request().syn(), mode, way.backend));
      EXPECT_EQ(gateway.sent(kCore), of_client) << way.name;
      EXPECT_EQ(gateway.dropped(), 0u);
      expect_counters_to_add_up(gateway);
    }
  }
}

TEST_P(Check, GoesToItsBackendWhateverThatOnesState) {
  ServiceSpec spec = service(ForwardMode::kDirect);
  spec.backends = {{.address = family().backend},
                   {.address = family().backend2, .state = BackendState::kDown}};
  TestGateway gateway(make_tables({spec}));
  send(gateway, check_of(question().syn(), ForwardMode::kDirect, family().backend2));
  EXPECT_EQ(gateway.sent(kCore), Frames{to_backend(family().backend2, question().syn())});
}

TEST_P(Check, GetsItsAnswerWholeAndMakesNoFlow) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  gateway.checks().ports().open(50000);
  for (const uint8_t port : {kCore, kEdge}) {
    Bytes padded =
        ethernet({mac_of(family().backend), port == kCore ? kCoreMac : kEdgeMac}, answer().payload("yes"));
    padded.resize(padded.size() + 9);
    gateway.receive(port, padded);
    EXPECT_EQ(taken(gateway), answer().payload("yes").bytes());
  }
  EXPECT_EQ(gateway.worker().balancer.flows().size(), 0u);
  EXPECT_EQ(gateway.dropped(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST_P(Check, WithoutACheckWhatComesFromAnOwnAddressIsAMartian) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  gateway.receive(kCore, from_backend(family().backend, answer()));
  gateway.checks().ports().open(50000);
  gateway.receive(kCore, from_backend(family().backend, answer().ports(80, 50001)));
  gateway.receive(kCore, from_backend(family().backend, ip(family().vip, family().vip2).tcp(80, 50000)));
  gateway.checks().ports().close(50000);
  gateway.receive(kCore, from_backend(family().backend, answer()));
  EXPECT_EQ(gateway.dropped(DropReason::kMalformedL3), 4u);
  EXPECT_EQ(taken(gateway), Bytes());
}

TEST_P(Check, AFloodOfAnswersIsBounded) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}));
  gateway.checks().ports().open(50000);
  for (int i = 0; i < 200; ++i) gateway.receive(kCore, from_backend(family().backend, answer()));
  EXPECT_EQ(gateway.consumed(), 64u);
  EXPECT_EQ(gateway.dropped(DropReason::kRingFull), 136u);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
}

TEST_P(Check, WhatCannotLeaveIsCounted) {
  auto tables = make_tables({service(ForwardMode::kGue)});
  tables->ports[kCore].mtu = 1280;
  TestGateway gateway(tables);
  send(gateway, check_of(question().payload(std::string(1220, 'x')), ForwardMode::kGue, family().backend));
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
  const std::string nowhere = v4() ? "192.0.2.200" : "3fff::1";
  auto without = make_tables({service(ForwardMode::kGue)});
  without->routes = dataplane::RouteTable::build({});
  gateway.publish(without);
  send(gateway, check_of(question(), ForwardMode::kGue, nowhere));
  EXPECT_EQ(gateway.dropped(DropReason::kNoRoute), 1u);
  EXPECT_EQ(gateway.sent(kCore).size() + gateway.sent(kEdge).size(), 0u);
  expect_counters_to_add_up(gateway);
}

}  // namespace
}  // namespace sluice::test
