// All ways through the gateway do the same: one gateway takes the short ways where it can, its twin never,
// because its buffers have no room in front of a frame for a known path.
#include <algorithm>
#include <random>

#include "dataplane/forward/path_rewrite.h"
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

constexpr unsigned kFlows = 12;  ///< of each family and protocol
constexpr uint16_t kTooLittleRoom =
    dataplane::OuterHeader::kMostBytes + dataplane::LinkHeader::kMostBytes - 1;

struct Flow {
  Family family;
  IpProtocol protocol;
  uint16_t client_port;
  uint16_t backend_sees = 0;  ///< the source port of what the backend gets, of NAT

  bool is_tcp() const { return protocol == IpProtocol::kTcp; }
};

struct Way {
  ForwardMode forward;
  bool across = false;    ///< backends are of the other family than their service
  uint8_t vlan_tags = 0;  ///< towards backends
};

class Ways : public testing::TestWithParam<Way> {
 protected:
  Ways() {
    for (const Family& family : {kIpv4, kIpv6}) {
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        for (uint16_t i = 0; i < kFlows; ++i) {
          flows_.push_back({family, protocol, static_cast<uint16_t>(40000 + i)});
        }
      }
    }
  }

  static std::shared_ptr<dataplane::Tables> tables() {
    std::vector<ServiceSpec> specs;
    for (const Family& family : {kIpv4, kIpv6}) {
      const Family& other = family.header == kIpv4.header ? kIpv6 : kIpv4;
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        specs.push_back(
            {.address = family.vip,
             .protocol = protocol,
             .forward = GetParam().forward,
             .backends = {{.address = GetParam().across ? other.backend : family.backend, .port = 8080}}});
      }
    }
    auto made = make_tables(specs);
    made->ports[kCore].mtu = 1400;
    made->ports[kCore].vlan_tags = GetParam().vlan_tags;
    made->ports[kCore].vlan_ids = {100, 200};
    return made;
  }
  static bool is_nat() {
    return GetParam().forward == ForwardMode::kFullNat || GetParam().forward == ForwardMode::kDnat;
  }

  size_t below(size_t bound) { return random_() % bound; }

  PacketBuilder request(const Flow& flow) const {
    const PacketBuilder from = ip(flow.family.client, flow.family.vip);
    return flow.is_tcp() ? PacketBuilder(from).tcp(flow.client_port, 80)
                         : PacketBuilder(from).udp(flow.client_port, 80);
  }
  PacketBuilder answer(const Flow& flow) const {
    const bool is_full = GetParam().forward == ForwardMode::kFullNat;
    const PacketBuilder from = ip(flow.family.backend, is_full ? flow.family.snat : flow.family.client);
    return flow.is_tcp() ? PacketBuilder(from).tcp(8080, flow.backend_sees)
                         : PacketBuilder(from).udp(8080, flow.backend_sees);
  }
  /// An ordinary packet of a flow, or, unless all are, one that something is odd about.
  PacketBuilder any_packet(PacketBuilder packet, const Flow& flow, bool are_all_ordinary) {
    packet.payload_bytes(below(8) == 0 && !are_all_ordinary ? 1300 + below(120) : below(200));
    packet.traffic_class(static_cast<uint8_t>(random_()));
    if (!flow.is_tcp() && below(12) == 0 && packet.is_v4()) packet.l4_checksum(0);
    if (are_all_ordinary) return packet;
    if (below(8) == 0) packet.ttl(static_cast<uint8_t>(below(3)));
    if (flow.is_tcp() && below(16) == 0) packet.tcp_flags(static_cast<uint8_t>(random_() & 0x17));
    if (!packet.is_v4() && below(12) == 0) packet.extension(60, {0, 0, 1, 4, 0, 0, 0, 0});
    if (below(24) == 0) packet.l4_checksum(0x1234);
    return packet;
  }

  void both_get(uint8_t port, const Bytes& frame) {
    short_.put(port, frame);
    long_.put(port, frame);
  }
  /// What both have sent by a port, which must be the same; in no order.
  Frames sent_by_both(uint8_t port) {
    Frames one = short_.sent(port), other = long_.sent(port);
    std::ranges::sort(one);
    std::ranges::sort(other);
    EXPECT_EQ(one, other);
    return one;
  }
  void settle() {
    short_.settle();
    long_.settle();
  }

  std::vector<Flow> flows_;
  std::mt19937 random_{23};
  TestGateway short_{tables()}, long_{tables(), {.headroom = kTooLittleRoom}};
};
INSTANTIATE_TEST_SUITE_P(Modes, Ways,
                         testing::Values(Way{ForwardMode::kFullNat}, Way{ForwardMode::kDnat},
                                         Way{ForwardMode::kIpip}, Way{ForwardMode::kIpip, true},
                                         Way{ForwardMode::kIpip, true, 1}, Way{ForwardMode::kGue},
                                         Way{ForwardMode::kGue, true}, Way{ForwardMode::kGue, true, 2},
                                         Way{ForwardMode::kDirect}));

TEST_P(Ways, SendCountAndDropTheSame) {
  for (Flow& flow : flows_) {
    for (unsigned i = 0; i < 2; ++i) {
      both_get(kEdge, from_client(request(flow)));
      settle();
      const Frames out = sent_by_both(kCore);
      ASSERT_EQ(out.size(), 1u);
      if (is_nat()) flow.backend_sees = source_port_of(out[0]);
    }
  }
  size_t forwarded = 0, answered = 0;
  for (unsigned round = 0; round < 200; ++round) {
    // Bursts of any size, of one family or both.
    const size_t first = round % 3 == 2 ? flows_.size() / 2 : 0;
    const size_t count = round % 3 == 0 ? flows_.size() : flows_.size() / 2;
    const bool are_all_ordinary = round % 4 == 3;
    const bool are_all_requests = round % 8 == 7, are_all_answers = is_nat() && round % 8 == 3;
    for (size_t left = 1 + below(40); left > 0; --left) {
      const Flow& flow = flows_[first + below(count)];
      const bool is_answer = are_all_answers || (is_nat() && !are_all_requests && below(3) == 0);
      const PacketBuilder packet =
          any_packet(is_answer ? answer(flow) : request(flow), flow, are_all_ordinary);
      is_answer ? both_get(kCore, from_backend(flow.family.backend, packet))
                : both_get(kEdge, from_client(packet));
    }
    settle();
    forwarded += sent_by_both(kCore).size();
    answered += sent_by_both(kEdge).size();
  }
  EXPECT_GT(forwarded, 1000u);
  if (is_nat()) {
    EXPECT_GT(answered, 500u);
  }
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    EXPECT_EQ(short_.dropped(reason), long_.dropped(reason)) << name_of(reason);
  }
  for (lb::BackendId id = 0; id < 4; ++id) {
    EXPECT_GT(short_.backend(id).packets.read(), 100u) << id;
    EXPECT_EQ(short_.backend(id).packets.read(), long_.backend(id).packets.read()) << id;
    EXPECT_EQ(short_.backend(id).bytes.read(), long_.backend(id).bytes.read()) << id;
  }
  expect_counters_to_add_up(short_);
  expect_counters_to_add_up(long_);
}

}  // namespace
}  // namespace sluice::test
