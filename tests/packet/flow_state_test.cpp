// What a flow keeps and what it loses, through the whole pipeline, the short way of established flows
// included. Floods beside answered flows of NAT are golden cases (floods, port_flood, live_flow_syn).
#include <map>
#include <set>

#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class FlowState : public FamilyTest {
 protected:
  Bytes backend_of(TestGateway& gateway, const PacketBuilder& packet) const {
    gateway.receive(kEdge, from_client(packet));
    const Frames out = gateway.sent(kCore);
    EXPECT_EQ(out.size(), 1u);
    return out.empty() ? Bytes{} : destination_mac_of(out[0]);
  }
  ServiceSpec three_backends(ForwardMode mode, Policy policy) const {
    ServiceSpec spec = service(mode);
    spec.policy = policy;
    spec.idle_timeout_ms = 300'000;
    spec.backends = {
        {.address = family().backend}, {.address = family().backend2}, {.address = family().backend3}};
    return spec;
  }
  /// The numbered packet of a flood: one flow each, of a client that is no other.
  Bytes flood(unsigned number) const {
    return from_client(ip(family().client2, family().vip).tcp(static_cast<uint16_t>(1024 + number), 80));
  }
};
INSTANTIATE_FOR_FAMILIES(FlowState);

TEST_P(FlowState, NewConnectionsKeepTheirBackendsThroughAFloodOfAcks) {
  for (const ForwardMode mode : {ForwardMode::kDirect, ForwardMode::kIpip, ForwardMode::kGue}) {
    for (const Policy policy : {Policy::kWeightedRoundRobin, Policy::kLeastConnections}) {
      TestGateway gateway(make_tables({three_backends(mode, policy)}), {.flow_table_entries = 512});
      unsigned next = 0;
      const auto send_flood = [&](unsigned packets) {
        for (unsigned i = 0; i < packets; ++i) gateway.put(kEdge, flood(next++));
        gateway.settle();
        gateway.sent(kCore);
      };
      for (unsigned i = 0; i < 20; ++i) send_flood(50);
      unsigned moved = 0;
      for (uint16_t client = 1; client <= 100; ++client) {
        std::set<Bytes> backends = {backend_of(gateway, request(client).syn())};
        for (unsigned packet = 1; packet < 10; ++packet) {
          send_flood(7);
          backends.insert(backend_of(gateway, request(client).ack().payload("x")));
        }
        moved += backends.size() > 1;
      }
      EXPECT_EQ(moved, 0u) << static_cast<int>(mode) << " " << static_cast<int>(policy);
      EXPECT_EQ(gateway.dropped(), 0u);
    }
  }
}

TEST_P(FlowState, AClientThatHasSentItsFinIsServedForAnotherMinute) {
  for (const ForwardMode mode : {ForwardMode::kDirect, ForwardMode::kIpip, ForwardMode::kGue}) {
    TestGateway gateway(make_tables({three_backends(mode, Policy::kWeightedRoundRobin)}));
    const Bytes backend = backend_of(gateway, request().syn());
    EXPECT_EQ(backend_of(gateway, request()), backend);
    EXPECT_EQ(backend_of(gateway, request().fin()), backend);
    for (int i = 0; i < 3; ++i) {
      gateway.advance_ms(60'000);
      EXPECT_EQ(backend_of(gateway, request()), backend) << "it acknowledges a long answer";
    }
  }
}

TEST_P(FlowState, AFlowThatSomebodyElseResetGoesOn) {
  ServiceSpec spec = service(ForwardMode::kFullNat);
  spec.idle_timeout_ms = 300'000;
  TestGateway gateway(make_tables({spec}));
  gateway.receive(kEdge, from_client(request().syn()));
  const uint16_t port = source_port_of(gateway.sent(kCore).at(0));
  const auto answer = [&](uint8_t flags) {
    gateway.receive(
        kCore,
        from_backend(family().backend, ip(family().backend, family().snat).tcp(8080, port).tcp_flags(flags)));
    return gateway.sent(kEdge).size();
  };
  EXPECT_EQ(answer(0x12), 1u);
  for (const uint8_t forged : {0x10, 0x02, 0x04, 0x14, 0x06, 0x03, 0x11, 0x10}) {
    gateway.receive(kEdge, from_client(request().tcp_flags(forged)));
    EXPECT_EQ(source_port_of(gateway.sent(kCore).at(0)), port) << int{forged};
    EXPECT_EQ(answer(0x10), 1u) << "the backend's challenge, or what it sends anyway";
    gateway.advance_ms(70'000);  // longer than a flow lives that any of them has ended
    EXPECT_EQ(answer(0x18), 1u);
    gateway.receive(kEdge, from_client(request().payload("goes on")));
    EXPECT_EQ(source_port_of(gateway.sent(kCore).at(0)), port);
  }
  EXPECT_EQ(gateway.backend(0).flows.read(), 1u);
  EXPECT_EQ(gateway.dropped(), 0u);
}

TEST_P(FlowState, AnAnsweredUdpFlowKeepsItsEntryAndAnUnansweredOneDoesNot) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat, IpProtocol::kUdp)}),
                      {.flow_table_entries = 64});
  const auto ask = [&](uint16_t port) {
    gateway.receive(kEdge, from_client(ip(family().client, family().vip).udp(port, 80)));
    return gateway.sent(kCore).size();
  };
  const auto answer = [&](uint16_t port) {
    gateway.receive(kCore,
                    from_backend(family().backend, ip(family().backend, family().client).udp(8080, port)));
    return gateway.sent(kEdge).size();
  };
  // The first two packets of a flow that nobody answers make its path known: answers must not take that way
  // before the flow has been marked.
  for (uint16_t port = 1; port <= 20; ++port) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(port), 1u);
    EXPECT_EQ(answer(port), 1u);
  }
  for (uint16_t port = 100; port < 300; ++port) EXPECT_EQ(ask(port), 1u);
  for (uint16_t port = 1; port <= 20; ++port) EXPECT_EQ(answer(port), 1u) << port;
  EXPECT_EQ(answer(100), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kNoService), 1u);
  const lb::EvictedFlows& evicted = gateway.worker().balancer.evicted();
  EXPECT_EQ(evicted.answered.read(), 0u);
  EXPECT_EQ(evicted.unanswered.read(), 188u) << "220 flows, 32 of which find room";
}

}  // namespace
}  // namespace sluice::test
