// The kernel exception path: what is for a port's own addresses and no service's.
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class Kernel : public FamilyTest {
 protected:
  /// A service on edge's own address, port 80; edge has a tap, core has none.
  std::shared_ptr<dataplane::Tables> tables() const {
    ServiceSpec spec = service(ForwardMode::kDirect);
    spec.address = family().edge;
    auto tables = make_tables({spec});
    tables->ports[kEdge].kernel = true;
    return tables;
  }
};
INSTANTIATE_FOR_FAMILIES(Kernel);

TEST_P(Kernel, GetsWhatIsForThePortAndNoService) {
  TestGateway gateway(tables());
  const PacketBuilder to_edge = ip(family().client, family().edge);
  const PacketBuilder about_its_own = ip(family().edge, family().client).tcp(22, 40000);
  const uint8_t unreachable = v4() ? 3 : 1;
  for (const PacketBuilder& packet :
       {PacketBuilder(to_edge).tcp(40000, 22).syn(), PacketBuilder(to_edge).udp(1, 123),
        PacketBuilder(to_edge).protocol(89).payload("ospf"),
        PacketBuilder(to_edge).icmp(v4() ? 0 : 129, 0, 1),
        PacketBuilder(to_edge).icmp(unreachable, 0, 0).payload(about_its_own)}) {
    gateway.receive(kEdge, from_client(packet));
    EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{from_client(packet)});
  }
  EXPECT_EQ(gateway.dropped(), 0u);
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  expect_counters_to_add_up(gateway);
}

TEST_P(Kernel, AnswersEchoItselfButToVips) {
  const PacketBuilder echo = ip(family().client, family().edge).icmp(v4() ? 8 : 128, 0, 1).payload("x");
  auto without_service = make_tables({});
  without_service->ports[kEdge].kernel = true;
  TestGateway gateway(without_service);
  gateway.receive(kEdge, from_client(echo));
  EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{from_client(echo)});
  EXPECT_EQ(gateway.sent(kEdge), Frames{});
  gateway.publish(tables());
  gateway.receive(kEdge, from_client(echo));
  EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{});
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
}

TEST_P(Kernel, DoesNotGetWhatAServiceTakesNorWhatIsForOthers) {
  TestGateway gateway(tables());
  gateway.receive(kEdge, from_client(ip(family().client, family().edge).tcp(40000, 80)));
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
  gateway.receive(kEdge, from_client(ip(family().client, family().vip2).tcp(40000, 22)));
  EXPECT_EQ(gateway.dropped(DropReason::kNoService), 1u);
  EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{});
}

TEST_P(Kernel, IsNotAskedByPortsWithoutATap) {
  TestGateway gateway(tables());
  gateway.receive(kCore, from_backend(family().backend, ip(family().backend, family().core).tcp(40000, 22)));
  EXPECT_EQ(gateway.dropped(DropReason::kNoService), 1u);
  EXPECT_EQ(gateway.sent_to_kernel(kCore), Frames{});
}

TEST_P(Kernel, GetsFramesWithoutVlanTags) {
  auto tagged = tables();
  tagged->ports[kEdge].vlan_tags = 2;
  tagged->ports[kEdge].vlan_ids = {200, 100};
  TestGateway gateway(tagged);
  const PacketBuilder packet = ip(family().client, family().edge).tcp(40000, 22).payload("ssh");
  gateway.receive(kEdge, ethernet({kRouterMac, kEdgeMac, {200, 100}}, packet));
  EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{from_client(packet)});
}

TEST(KernelArp, GetsACopyOfAnswers) {
  auto tables = make_tables({});
  tables->ports[kEdge].kernel = true;
  TestGateway gateway(tables);
  const Bytes reply =
      ethernet({kRouterMac, kEdgeMac}, arp(2, kRouterMac, "10.10.0.254", kEdgeMac, "10.10.0.1"), 0x0806);
  gateway.receive(kEdge, reply);
  EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{reply});
  const Bytes question =
      ethernet({kRouterMac, "ff:ff:ff:ff:ff:ff"},
               arp(1, kRouterMac, "10.10.0.254", "00:00:00:00:00:00", "10.10.0.1"), 0x0806);
  gateway.receive(kEdge, question);
  EXPECT_EQ(gateway.sent_to_kernel(kEdge), Frames{});
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);  // the gateway answers for itself
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
  expect_counters_to_add_up(gateway);
}

}  // namespace
}  // namespace sluice::test
