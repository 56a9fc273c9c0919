// Several workers: packets find the owner of their flow whichever worker receives them.
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class Workers : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(Workers);

TEST_P(Workers, FullNatRepliesFindTheirFlowFromAnyWorker) {
  for (const GatewayShape& shape :
       {GatewayShape{.rx_workers = 3}, GatewayShape{.rx_workers = 2, .lb_workers = 2}}) {
    TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}), shape);
    for (uint16_t flow = 1; flow <= 30; ++flow) {
      gateway.receive(kEdge, from_client(request(flow).syn()), flow % shape.rx_workers);
      const Frames out = gateway.sent(kCore);
      ASSERT_EQ(out.size(), 1u);
      const PacketBuilder reply = ip(family().backend, family().snat).tcp(8080, source_port_of(out[0]));
      for (unsigned receiver = 0; receiver < shape.rx_workers; ++receiver) {
        gateway.receive(kCore, from_backend(family().backend, reply), receiver);
        EXPECT_EQ(gateway.sent(kEdge),
                  Frames{to_client(ip(family().vip, family().client).ttl(63).tcp(80, flow))});
      }
    }
    EXPECT_EQ(gateway.dropped(), 0u);
    EXPECT_EQ(gateway.buffers_in_use(), 0u);
    expect_counters_to_add_up(gateway);
  }
}

TEST_P(Workers, DnatFlowsMeetWhicheverWorkersReceiveThem) {
  for (const GatewayShape& shape :
       {GatewayShape{.rx_workers = 3}, GatewayShape{.rx_workers = 2, .lb_workers = 3}}) {
    TestGateway gateway(make_tables({service(ForwardMode::kDnat)}), shape);
    for (uint16_t flow = 1; flow <= 30; ++flow) {
      gateway.receive(kEdge, from_client(request(flow).syn()), flow % shape.rx_workers);
      EXPECT_EQ(gateway.sent(kCore).size(), 1u);
      const PacketBuilder reply = ip(family().backend, family().client).tcp(8080, flow);
      gateway.receive(kCore, from_backend(family().backend, reply), (flow / 3) % shape.rx_workers);
      EXPECT_EQ(gateway.sent(kEdge),
                Frames{to_client(ip(family().vip, family().client).ttl(63).tcp(80, flow))});
    }
    EXPECT_EQ(gateway.dropped(), 0u);
  }
}

TEST_P(Workers, AFlowThatItsDeviceSplitsKeepsItsTranslation) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}), {.rx_workers = 3, .splits_flows = true});
  for (uint16_t flow = 1; flow <= 30; ++flow) {
    gateway.receive(kEdge, from_client(request(flow).syn()), flow % 3);
    const Frames first = gateway.sent(kCore);
    ASSERT_EQ(first.size(), 1u);
    for (unsigned receiver = 0; receiver < 3; ++receiver) {
      gateway.receive(kEdge, from_client(request(flow)), receiver);
      const Frames later = gateway.sent(kCore);
      ASSERT_EQ(later.size(), 1u);
      EXPECT_EQ(source_port_of(later[0]), source_port_of(first[0]));
    }
  }
  EXPECT_EQ(gateway.dropped(), 0u);
}

TEST_P(Workers, BalancingWorkersHaveTheFlowsAndOthersNone) {
  TestGateway gateway(make_tables({service(ForwardMode::kDirect)}), {.rx_workers = 2, .lb_workers = 2});
  for (uint16_t flow = 1; flow <= 60; ++flow) gateway.receive(kEdge, from_client(request(flow)), flow % 2);
  EXPECT_EQ(gateway.sent(kCore).size(), 60u);
  EXPECT_EQ(gateway.worker(0).balancer.flows().size(), 0u);
  EXPECT_EQ(gateway.worker(1).balancer.flows().size(), 0u);
  EXPECT_GT(gateway.worker(2).balancer.flows().size(), 10u);
  EXPECT_GT(gateway.worker(3).balancer.flows().size(), 10u);
}

TEST_P(Workers, AnIcmpErrorIsHandedOnUntilSomebodyKnowsItsFlow) {
  for (unsigned owner = 0; owner < 3; ++owner) {
    for (unsigned receiver = 0; receiver < 3; ++receiver) {
      TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}), {.rx_workers = 3});
      gateway.receive(kEdge, from_client(request()), owner);
      EXPECT_EQ(gateway.sent(kCore).size(), 1u);
      const PacketBuilder answer = ip(family().vip, family().client).tcp(80, 40000);
      const PacketBuilder error = v4() ? ip(family().client, family().vip).icmp(3, 3, 0).payload(answer)
                                       : ip(family().client, family().vip).icmp(1, 4, 0).payload(answer);
      gateway.receive(kEdge, from_client(error), receiver);
      EXPECT_EQ(gateway.sent(kCore).size(), 1u) << owner << " " << receiver;
      EXPECT_EQ(gateway.dropped(), 0u);
    }
  }
}

TEST_P(Workers, AnIcmpErrorThatNobodyKnowsIsAnsweredByThePolicyOrDropped) {
  const PacketBuilder answer = ip(family().vip, family().client).tcp(80, 40000);
  const PacketBuilder error = v4() ? ip(family().client, family().vip).icmp(3, 3, 0).payload(answer)
                                   : ip(family().client, family().vip).icmp(1, 4, 0).payload(answer);
  TestGateway direct(make_tables({service(ForwardMode::kDirect)}), {.rx_workers = 3});
  direct.receive(kEdge, from_client(error), 1);
  EXPECT_EQ(direct.sent(kCore), Frames{to_backend(family().backend, error)});
  TestGateway nat(make_tables({service(ForwardMode::kFullNat)}), {.rx_workers = 3});
  nat.receive(kEdge, from_client(error), 1);
  EXPECT_EQ(nat.dropped(DropReason::kNoService), 1u);
  EXPECT_EQ(nat.buffers_in_use(), 0u);
}

TEST(WorkersArp, WhatOneLearnsAllKnow) {
  auto tables = make_tables(
      {{.address = kIpv4.vip, .forward = ForwardMode::kDirect, .backends = {{.address = "10.20.0.77"}}}});
  TestGateway gateway(tables, {.rx_workers = 2, .lb_workers = 1});
  const PacketBuilder packet = ip(kIpv4.client, kIpv4.vip).tcp(1, 80);
  gateway.receive(kEdge, from_client(packet), 0);
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);  // the balancing worker asks
  const Bytes reply = ethernet({"02:00:00:00:00:77", kCoreMac},
                               arp(2, "02:00:00:00:00:77", "10.20.0.77", kCoreMac, "10.20.0.1"), 0x0806);
  gateway.receive(kCore, reply, 1);  // and another receives the answer
  EXPECT_EQ(gateway.sent(kCore), Frames{ethernet({kCoreMac, "02:00:00:00:00:77"}, packet)});
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST(WorkersArp, OneQuestionGetsOneAnswer) {
  TestGateway gateway(make_tables({}), {.rx_workers = 3});
  gateway.receive(kEdge,
                  ethernet({kRouterMac, "ff:ff:ff:ff:ff:ff"},
                           arp(1, kRouterMac, "10.10.0.254", "00:00:00:00:00:00", "10.10.0.1"), 0x0806),
                  2);
  EXPECT_EQ(gateway.sent(kEdge),
            Frames{ethernet({kEdgeMac, kRouterMac}, arp(2, kEdgeMac, "10.10.0.1", kRouterMac, "10.10.0.254"),
                            0x0806)});
  expect_counters_to_add_up(gateway);
}

}  // namespace
}  // namespace sluice::test
