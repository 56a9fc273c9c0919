// The short way of established flows: whatever it forwards looks as the long way has it, and it is left as
// soon as anything is different.
#include <functional>
#include <map>
#include <optional>
#include <tuple>

#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class KnownPath : public FamilyTest {
 protected:
  /// The flow's first two packets. Its path is known once it has begun.
  void make_known(TestGateway& gateway) const {
    EXPECT_FALSE(is_known(gateway));
    for (int i = 0; i < 2; ++i) {
      gateway.receive(kEdge, from_client(request()));
      EXPECT_TRUE(is_known(gateway));
    }
    EXPECT_EQ(gateway.sent(kCore).size(), 2u);
  }
};
INSTANTIATE_FOR_FAMILIES(KnownPath);

class KnownPathShapes
    : public testing::TestWithParam<std::tuple<Family, ForwardMode, bool, IpProtocol, unsigned>> {};
INSTANTIATE_TEST_SUITE_P(All, KnownPathShapes,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kGue,
                                                          ForwardMode::kDirect),
                                          testing::Bool(),
                                          testing::Values(IpProtocol::kTcp, IpProtocol::kUdp),
                                          testing::Values(0u, 1u, 2u)));

TEST_P(KnownPathShapes, SendsWhatTheLongWaySends) {
  const auto& [family, mode, across, protocol, vlan_tags] = GetParam();
  const bool tunnel = mode == ForwardMode::kIpip || mode == ForwardMode::kGue;
  if (across && !tunnel) return;
  const Family& other = family.header == 20 ? kIpv6 : kIpv4;
  ServiceSpec spec{.address = family.vip,
                   .protocol = protocol,
                   .forward = mode,
                   .backends = {{.address = across ? other.backend : family.backend, .port = 8080}}};
  auto tables = make_tables({spec});
  tables->ports[kCore].vlan_tags = static_cast<uint8_t>(vlan_tags);
  tables->ports[kCore].vlan_ids = {100, 200};
  TestGateway gateway(tables);
  for (const size_t payload : {size_t{0}, size_t{1}, size_t{18}, size_t{63}, size_t{700}}) {
    const PacketBuilder from = ip(family.client, family.vip);
    const PacketBuilder packet = (protocol == IpProtocol::kTcp ? PacketBuilder(from).tcp(40000, 80)
                                                               : PacketBuilder(from).udp(40000, 80))
                                     .payload_bytes(payload);
    gateway.worker().neighbors.adopt_static(*tables, 1000, gateway.worker().transmit);  // forgets the path
    gateway.receive(kEdge, from_client(packet));
    gateway.worker().neighbors.next_version();  // again: whatever the first one took, this takes the long way
    gateway.receive(kEdge, from_client(packet));
    ASSERT_TRUE(is_known(gateway));
    gateway.receive(kEdge, from_client(packet));
    const Frames out = gateway.sent(kCore);
    ASSERT_EQ(out.size(), 3u);
    EXPECT_EQ(out[2], out[1]);
    EXPECT_EQ(out[1], out[0]);
  }
  EXPECT_EQ(gateway.dropped(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST_P(KnownPath, CountsItsPacketsToo) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  make_known(gateway);
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
  EXPECT_EQ(gateway.worker().balancer.flows().size(), 2u);
  EXPECT_EQ(gateway.backend(0).packets.read(), 3u);
}

TEST_P(KnownPath, FollowsANeighborThatMoves) {
  auto tables = make_tables({service(ForwardMode::kDnat)});
  TestGateway gateway(tables);
  make_known(gateway);
  auto changed = std::make_shared<dataplane::Tables>(*tables);
  for (auto& neighbor : changed->neighbors) neighbor.mac = *MacAddress::parse("02:00:00:00:99:99");
  gateway.publish(changed);
  EXPECT_FALSE(is_known(gateway));
  gateway.receive(kEdge, from_client(request()));
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(destination_mac_of(out[0]), (Bytes{2, 0, 0, 0, 0x99, 0x99}));
}

TEST_P(KnownPath, IsAskedForAnewEachSecond) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  make_known(gateway);
  gateway.worker().neighbors.tick(*gateway.worker().tables, 1500, gateway.worker().transmit);
  gateway.worker().neighbors.tick(*gateway.worker().tables, 2500, gateway.worker().transmit);
  EXPECT_FALSE(is_known(gateway)) << "a neighbor in use must look used";
}

TEST_P(KnownPath, LeavesABackendThatIsTakenAway) {
  ServiceSpec spec = service(ForwardMode::kDnat);
  TestGateway gateway(make_tables({spec}));
  make_known(gateway);
  spec.backends[0].state = BackendState::kRemoved;
  gateway.publish(make_tables({spec}));
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kNoBackend), 1u);
}

TEST_P(KnownPath, StillEndsPacketsWhoseTimeIsOver) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  make_known(gateway);
  gateway.receive(kEdge, from_client(request().ttl(1)));
  EXPECT_EQ(gateway.dropped(DropReason::kTtlExpired), 1u);
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
  expect_counters_to_add_up(gateway);
}

TEST_P(KnownPath, StillRefusesWhatDoesNotFit) {
  auto tables = make_tables({service(ForwardMode::kGue)});
  tables->ports[kCore].mtu = 1400;
  TestGateway gateway(tables);
  make_known(gateway);
  gateway.receive(kEdge, from_client(request().payload_bytes(1400 - family().header - 20)));
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
}

TEST_P(KnownPath, EndsWithTheFlow) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  make_known(gateway);
  gateway.advance_ms(30'001);
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.backend(0).flows.read(), 2u) << "begun anew: it was idle for too long";
}

TEST_P(KnownPath, HasAnswersThatLookAsBefore) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat}) {
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      TestGateway gateway(make_tables({service(mode, protocol)}));
      const bool tcp = protocol == IpProtocol::kTcp;
      const PacketBuilder from = ip(family().client, family().vip);
      const PacketBuilder asks =
          tcp ? PacketBuilder(from).tcp(40000, 80) : PacketBuilder(from).udp(40000, 80);
      gateway.receive(kEdge, from_client(asks));
      const uint16_t port = source_port_of(gateway.sent(kCore).at(0));
      const PacketBuilder to =
          ip(family().backend, mode == ForwardMode::kDnat ? family().client : family().snat);
      PacketBuilder answer = tcp ? PacketBuilder(to).tcp(8080, port) : PacketBuilder(to).udp(8080, port);
      answer.payload("answer");
      gateway.worker().neighbors.next_version();  // forgets the path
      gateway.receive(kCore, from_backend(family().backend, answer));
      EXPECT_FALSE(is_known(gateway));
      gateway.receive(kEdge, from_client(asks));
      EXPECT_TRUE(is_known(gateway));
      gateway.receive(kCore, from_backend(family().backend, answer));
      const Frames out = gateway.sent(kEdge);
      ASSERT_EQ(out.size(), 2u);
      EXPECT_EQ(out[1], out[0]);
      EXPECT_EQ(gateway.backend(0).packets.read(), 2u) << "answers are not counted";
      EXPECT_EQ(gateway.dropped(), 0u);
    }
  }
}

/// Flows of a dnat service from clients behind the router and on the link of it, which answers go on with.
class KnownAnswers : public KnownPath {
 protected:
  static constexpr uint16_t kFlows = 20;
  static uint16_t client_port(uint16_t flow) { return static_cast<uint16_t>(40000 + flow); }

  KnownAnswers() {
    tables_ = make_tables({service(ForwardMode::kDnat)});
    tables_->neighbors.push_back({kEdge, *IpAddress::parse(neighbor()), *MacAddress::parse(kNeighborMac)});
    gateway_.emplace(tables_);
    for (int i = 0; i < 2; ++i) {
      for (const std::string& client : clients()) {
        for (uint16_t flow = 0; flow < kFlows; ++flow) {
          gateway_->put(
              kEdge, from_client(PacketBuilder(ip(client.c_str(), family().vip)).tcp(client_port(flow), 80)));
        }
      }
      gateway_->settle();
      EXPECT_EQ(gateway_->sent(kCore).size(), 2u * kFlows);
      put_answers();
    }
  }
  const char* neighbor() const { return v4() ? "10.10.0.77" : "fd10::77"; }
  std::vector<std::string> clients() const { return {family().client, neighbor()}; }
  PacketBuilder answer(const std::string& client, uint16_t flow) const {
    return ip(family().backend, client.c_str()).tcp(8080, client_port(flow)).payload_bytes(flow);
  }
  /// A burst of answers, and what has become of each: by the MAC address it went to, how many.
  std::map<Bytes, size_t> put_answers(size_t payload = 0) {
    for (const std::string& client : clients()) {
      for (uint16_t flow = 0; flow < kFlows; ++flow) {
        const PacketBuilder packet =
            payload == 0 ? answer(client, flow) : answer(client, flow).payload_bytes(payload);
        gateway_->put(kCore, from_backend(family().backend, packet));
      }
    }
    gateway_->settle();
    std::map<Bytes, size_t> gone;
    for (const Bytes& frame : gateway_->sent(kEdge)) ++gone[destination_mac_of(frame)];
    return gone;
  }
  static Bytes bytes_of(const char* mac) {
    const MacAddress address = *MacAddress::parse(mac);
    return Bytes(address.bytes.begin(), address.bytes.end());
  }
  /// Tables that differ in what `change` makes of them.
  void publish(const std::function<void(dataplane::Tables&)>& change) {
    auto changed = std::make_shared<dataplane::Tables>(*tables_);
    ++changed->generation;
    change(*changed);
    tables_ = changed;
    gateway_->publish(changed);
  }

  static constexpr const char* kNeighborMac = "02:00:00:00:00:77";
  std::shared_ptr<dataplane::Tables> tables_;
  std::optional<TestGateway> gateway_;
};
INSTANTIATE_FOR_FAMILIES(KnownAnswers);

TEST_P(KnownAnswers, GoToTheirClientsWhetherTheseAreNearOrFar) {
  for (const std::string& client : clients()) {
    for (uint16_t flow = 0; flow < kFlows; ++flow) {
      gateway_->put(kCore, from_backend(family().backend, answer(client, flow)));
    }
  }
  gateway_->settle();
  const Frames out = gateway_->sent(kEdge);
  ASSERT_EQ(out.size(), 2u * kFlows);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto flow = static_cast<uint16_t>(i % kFlows);
    const std::string client = clients()[i / kFlows];
    const PacketBuilder packet =
        ip(family().vip, client.c_str()).tcp(80, client_port(flow)).ttl(63).payload_bytes(flow);
    EXPECT_EQ(out[i], ethernet({kEdgeMac, i < kFlows ? kRouterMac : kNeighborMac}, packet)) << i;
  }
  expect_counters_to_add_up(*gateway_);
}

TEST_P(KnownAnswers, FollowTheirRoutes) {
  using Gone = std::map<Bytes, size_t>;
  EXPECT_EQ(put_answers(), (Gone{{bytes_of(kRouterMac), kFlows}, {bytes_of(kNeighborMac), kFlows}}));
  const char* const moved = "02:00:00:00:00:fd";
  publish([&](dataplane::Tables& tables) {
    for (auto& neighbor : tables.neighbors) {
      if (neighbor.address == *IpAddress::parse(family().router)) neighbor.mac = *MacAddress::parse(moved);
    }
  });
  gateway_->receive(kEdge,
                    from_client(PacketBuilder(ip(family().client, family().vip)).tcp(client_port(0), 80)));
  EXPECT_EQ(put_answers(), (Gone{{bytes_of(moved), kFlows}, {bytes_of(kNeighborMac), kFlows}}));
  publish([&](dataplane::Tables& tables) {  // the clients beyond the router are behind the neighbor now
    const dataplane::Route all[] = {
        {*Prefix::parse(v4() ? "10.10.0.0/24" : "fd10::/64"), kEdge, true, {}},
        {*Prefix::parse(v4() ? "0.0.0.0/0" : "::/0"), kEdge, false, *IpAddress::parse(neighbor())}};
    tables.routes = dataplane::RouteTable::build(all);
  });
  gateway_->receive(kEdge,
                    from_client(PacketBuilder(ip(family().client, family().vip)).tcp(client_port(0), 80)));
  EXPECT_EQ(put_answers(), (Gone{{bytes_of(kNeighborMac), 2 * kFlows}}));
  EXPECT_EQ(gateway_->dropped(), 0u);
}

TEST_P(KnownAnswers, ThatDoNotFitAreRefusedOneByOne) {
  publish([&](dataplane::Tables& tables) { tables.ports[kEdge].mtu = 1300; });
  gateway_->receive(kEdge,
                    from_client(PacketBuilder(ip(family().client, family().vip)).tcp(client_port(0), 80)));
  EXPECT_EQ(put_answers().size(), 2u);
  EXPECT_EQ(put_answers(1300 - family().header - 20 + 1).size(), 0u);
  EXPECT_EQ(gateway_->dropped(DropReason::kTooBig), 2u * kFlows);
}

TEST_P(KnownAnswers, AreBelievedFromTheirBackendsPortAlone) {
  for (uint16_t flow = 0; flow < kFlows; ++flow) {
    gateway_->put(kEdge, from_client(answer(family().client, flow)));
  }
  gateway_->settle();
  EXPECT_TRUE(gateway_->sent(kEdge).empty());
  EXPECT_EQ(gateway_->dropped(), kFlows);
}

TEST_P(KnownPath, RefusesAnswersThatDoNotFitTheClientsPort) {
  auto tables = make_tables({service(ForwardMode::kDnat)});
  tables->ports[kEdge].mtu = 1300;
  TestGateway gateway(tables);
  make_known(gateway);
  const PacketBuilder answer = ip(family().backend, family().client).tcp(8080, 40000).payload_bytes(1300);
  gateway.receive(kCore, from_backend(family().backend, answer));
  EXPECT_EQ(gateway.sent(kEdge).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
}

TEST_P(KnownPath, IsNotTakenPastPacketsOfTheSameFlow) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  make_known(gateway);
  const std::vector<PacketBuilder> in_order = {request().payload("one"), request().fin().payload("two"),
                                               request().payload("three"), request(40001).syn(),
                                               request(40001).ack().payload("four")};
  for (const PacketBuilder& packet : in_order) gateway.put(kEdge, from_client(packet));
  gateway.settle();
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), in_order.size());
  const size_t tcp_flags = 14 + family().header + 13;
  std::map<uint16_t, std::vector<uint8_t>> flags;
  for (const Bytes& frame : out) flags[source_port_of(frame)].push_back(frame[tcp_flags]);
  EXPECT_EQ(flags[40000], (std::vector<uint8_t>{0x10, 0x11, 0x10}));
  EXPECT_EQ(flags[40001], (std::vector<uint8_t>{0x02, 0x10}));
}

TEST_P(KnownPath, TakesWholeBurstsOfManyFlows) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  constexpr uint16_t kFlows = 100;
  for (unsigned round = 0; round < 3; ++round) {
    for (uint16_t flow = 0; flow < kFlows; ++flow) {
      gateway.put(kEdge, from_client(request(static_cast<uint16_t>(40000 + flow)).payload_bytes(flow)));
    }
    gateway.settle();
    const Frames out = gateway.sent(kCore);
    ASSERT_EQ(out.size(), kFlows);
    for (uint16_t flow = 0; flow < kFlows; ++flow) {
      const Bytes expected = to_backend(family().backend, ip(family().client, family().backend)
                                                              .tcp(static_cast<uint16_t>(40000 + flow), 8080)
                                                              .ttl(63)
                                                              .payload_bytes(flow));
      EXPECT_EQ(out[flow], expected) << round << ", " << flow;
    }
  }
  EXPECT_TRUE(is_known(gateway));
  EXPECT_EQ(gateway.backend(0).packets.read(), 3u * kFlows);
}

TEST_P(KnownPath, IsTakenFromATaggedPort) {
  auto tables = make_tables({service(ForwardMode::kFullNat)});
  tables->ports[kEdge].vlan_tags = 1;
  tables->ports[kEdge].vlan_ids = {7, 0};
  TestGateway gateway(tables);
  const Bytes frame = ethernet({kRouterMac, kEdgeMac, {7}}, request());
  for (unsigned i = 0; i < 4; ++i) gateway.receive(kEdge, frame);
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 4u);
  EXPECT_EQ(out[3], out[0]);
  gateway.receive(kEdge, ethernet({kRouterMac, kEdgeMac, {8}}, request()));
  EXPECT_EQ(gateway.dropped(DropReason::kWrongVlan), 1u);
}

TEST_P(KnownPath, NeedsRoomInFrontOfAFrame) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}), {.headroom = 0});
  make_known(gateway);
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
}

}  // namespace
}  // namespace sluice::test
