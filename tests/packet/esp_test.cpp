// Flows to backends behind an ESP tunnel: what the other end finds is what the long way would have sent,
// whichever way a packet takes; and several workers of one association send what any other end accepts.
#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "dataplane/esp/esp_format.h"
#include "dataplane/esp/esp_worker.h"
#include "dataplane/stages/encapsulate.h"
#include "tests/packet/packet_test.h"
#include "tests/support/esp_site.h"

namespace sluice::test {
namespace {

const char* backend_of(const Family& family) {
  return family.header == 20 ? EspSite::kBackend4 : EspSite::kBackend6;
}

ServiceSpec service_behind(const Family& family, ForwardMode mode) {
  return {
      .address = family.vip, .forward = mode, .backends = {{.address = backend_of(family), .port = 8080}}};
}

std::shared_ptr<dataplane::Tables> tables_of(const EspSite& site, const ServiceSpec& spec) {
  auto tables = make_tables({spec});
  site.lead(*tables);
  return tables;
}

/// The inner packets of what left by core; their numbers follow each other from `number` on.
Frames opened(const EspSite& site, TestGateway& gateway, uint64_t& number) {
  Frames inner;
  for (const Bytes& frame : gateway.sent(kCore)) {
    const auto found = site.opened(frame, static_cast<uint32_t>(number >> 32));
    if (!found) {
      ADD_FAILURE() << "a packet that the other end does not take";
      continue;
    }
    EXPECT_EQ(found->number, number++);
    inner.push_back(found->inner);
  }
  return inner;
}

struct Shape {
  const char* name;
  EspSpec spec;
};
constexpr Shape kPlain4{"Plain4", {}};
constexpr Shape kExtended4{"Extended4", {.is_extended = true, .first = (uint64_t{7} << 32) + 5}};
constexpr Shape kUdp4{"Udp4", {.is_udp = true}};
constexpr Shape kPlain6{"Plain6", {.is_v4 = false}};
constexpr Shape kUdp6{"Udp6", {.is_v4 = false, .is_udp = true, .is_extended = true}};

class EspWays : public testing::TestWithParam<std::tuple<Family, ForwardMode, Shape, Way>> {};
INSTANTIATE_TEST_SUITE_P(All, EspWays,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kGue),
                                          testing::Values(kPlain4, kExtended4, kUdp4, kPlain6, kUdp6),
                                          testing::Values(Way::kParsed, Way::kPlain)));

TEST_P(EspWays, SendWhatTheLongWaySends) {
  const auto& [family, mode, shape, way] = GetParam();
  const GatewayShape gateway_shape = shape_for(way);
  EspSpec spec = shape.spec;
  spec.workers = gateway_shape.rx_workers + gateway_shape.lb_workers;
  const EspSite site(spec);
  TestGateway gateway(tables_of(site, service_behind(family, mode)), gateway_shape);
  constexpr uint16_t kFlows = 37;
  uint64_t number = spec.first;
  Frames by_the_long_way;
  for (unsigned round = 0; round < 4; ++round) {
    for (uint16_t flow = 0; flow < kFlows; ++flow) {
      gateway.put(kEdge, from_client(ip(family.client, family.vip)
                                         .tcp(static_cast<uint16_t>(40'000 + flow), 80)
                                         .traffic_class(0xb8)
                                         .payload_bytes(17u * flow)));
    }
    gateway.settle();
    const Frames inner = opened(site, gateway, number);
    ASSERT_EQ(inner.size(), kFlows) << round;
    if (round == 0) by_the_long_way = inner;
    EXPECT_EQ(inner, by_the_long_way) << round;
  }
  EXPECT_EQ(gateway.dropped(), 0u);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
  expect_counters_to_add_up(gateway);
}

class EspPath : public FamilyTest {
 protected:
  /// A flow of port 40000 whose path is known.
  void make_known(TestGateway& gateway) const {
    for (int i = 0; i < 2; ++i) gateway.receive(kEdge, from_client(request()));
    ASSERT_TRUE(is_known(gateway));
    ASSERT_EQ(gateway.sent(kCore).size(), 2u);
  }
  ServiceSpec behind(ForwardMode mode = ForwardMode::kDnat) const { return service_behind(family(), mode); }
};
INSTANTIATE_FOR_FAMILIES(EspPath);

TEST_P(EspPath, KeepsTheOrderOfAFlowThatTakesSeveralWays) {
  const EspSite site;
  TestGateway gateway(tables_of(site, behind()));
  make_known(gateway);
  const std::vector<PacketBuilder> in_order = {request().payload("one"), request().fin().payload("two"),
                                               request().payload("three"), request(40001).syn(),
                                               request(40001).ack().payload("four")};
  for (const PacketBuilder& packet : in_order) gateway.put(kEdge, from_client(packet));
  gateway.settle();
  uint64_t number = 3;
  std::map<uint16_t, std::vector<uint8_t>> flags;
  for (const Bytes& inner : opened(site, gateway, number)) {
    const size_t l4 = family().header;
    flags[static_cast<uint16_t>(inner[l4] << 8 | inner[l4 + 1])].push_back(inner[l4 + 13]);
  }
  EXPECT_EQ(flags[40000], (std::vector<uint8_t>{0x10, 0x11, 0x10}));
  EXPECT_EQ(flags[40001], (std::vector<uint8_t>{0x02, 0x10}));
}

TEST_P(EspPath, TakesAnswersOutOfTheTunnelAlone) {
  const EspSite site;
  TestGateway gateway(tables_of(site, behind()));
  make_known(gateway);
  const PacketBuilder answer = ip(backend_of(family()), family().client).tcp(8080, 40000).payload("answer");
  for (uint64_t number = 1; number <= 3; ++number) {
    gateway.receive(kCore, site.sealed(answer.bytes(), number));
    EXPECT_EQ(
        gateway.sent(kEdge),
        (Frames{to_client(ip(family().vip, family().client).tcp(80, 40000).ttl(63).payload("answer"))}));
  }
  gateway.receive(kCore, site.sealed(answer.bytes(), 2));
  gateway.receive(kCore, from_backend(family().backend2, answer));
  EXPECT_EQ(gateway.sent(kEdge).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 2u) << "a replay, and one in clear";
}

TEST_P(EspPath, StillRefusesWhatDoesNotFit) {
  const EspSite site;
  TestGateway gateway(tables_of(site, behind()));
  make_known(gateway);
  const size_t most = dataplane::most_inner_bytes(1500, 20);
  const auto of_size = [&](size_t bytes) {
    return from_client(request().payload_bytes(bytes - family().header - 20));
  };
  gateway.receive(kEdge, of_size(most));
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
  gateway.receive(kEdge, of_size(most + 1));
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
}

TEST_P(EspPath, FollowsWhatARouterSaysOfItsSize) {
  const EspSite site;
  TestGateway gateway(tables_of(site, behind()));
  make_known(gateway);
  const Bytes large = from_client(request().payload_bytes(1200));
  gateway.receive(kEdge, large);
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  const Bytes quote(out[0].begin() + 14, out[0].begin() + 14 + 28);
  gateway.receive(
      kCore, from_backend(kIpv4.backend3, ip(kIpv4.backend3, kIpv4.core).icmp(3, 4, 1000).payload(quote)));
  gateway.receive(kEdge, large);
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kTooBig), 1u);
  gateway.receive(kEdge, from_client(request().payload_bytes(800)));
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
}

TEST_P(EspPath, LeadsNowhereWithoutKeys) {
  const EspSite site;
  const auto tables = tables_of(site, behind());
  TestGateway gateway(tables);
  make_known(gateway);
  auto keyless = std::make_shared<dataplane::Tables>(*tables);
  std::vector<dataplane::Tunnel> tunnels = tables->tunnels->tunnels();
  tunnels[0].out = nullptr;
  const dataplane::Route networks[] = {{*Prefix::parse("10.30.0.0/16"), 0, false, {}},
                                       {*Prefix::parse("fd30::/32"), 0, false, {}}};
  keyless->tunnels = std::make_shared<const dataplane::TunnelTables>(
      std::move(tunnels), std::vector<dataplane::InboundEntry>{}, networks);
  gateway.publish(keyless);
  for (int i = 0; i < 4; ++i) gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 4u);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
}

TEST_P(EspPath, ShowsWhatIsSentAsItIsSent) {
  const EspSite site;
  TestGateway gateway(tables_of(site, behind()));
  dataplane::Captures captures;
  captures.running.push_back(std::make_shared<const dataplane::Capture>(
      dataplane::CaptureWish{.at = dataplane::CapturePoint::kSent, .port = kCore, .service = 0}, 1));
  gateway.capture(&captures);
  for (int i = 0; i < 5; ++i) gateway.receive(kEdge, from_client(request()));
  EXPECT_TRUE(is_known(gateway));
  Frames seen;
  captures.running[0]->drain([&](const auto&, uint64_t, auto bytes) {
    seen.emplace_back(bytes.begin(), bytes.end());
    return true;
  });
  const Frames out = gateway.sent(kCore);
  EXPECT_EQ(out.size(), 5u);
  EXPECT_EQ(seen, out);
  gateway.capture(nullptr);
}

/// Worker 0 receives and sends, worker 1 has the flows and no queue to send by.
class EspRelay : public FamilyTest {
 protected:
  static constexpr size_t kRing = 8;

  EspRelay() { tables_ = tables_of(site_, service_behind(family(), ForwardMode::kDnat)); }
  void make() {
    gateway_.emplace(tables_, GatewayShape{.lb_workers = 1, .ring_size = kRing, .transmit_queues = 1});
  }
  /// Packets of flows of their own.
  void send(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      gateway_->put(kEdge, from_client(request(static_cast<uint16_t>(40'000 + i)).payload_bytes(i)));
      gateway_->poll();
    }
    gateway_->settle();
  }
  /// What `request` is to the backend, without a link header.
  Bytes translated(unsigned i) const {
    return ip(family().client, backend_of(family()))
        .tcp(static_cast<uint16_t>(40'000 + i), 8080)
        .ttl(63)
        .payload_bytes(i)
        .bytes();
  }
  std::vector<rte_mbuf*> handed_over() {
    std::vector<rte_mbuf*> packets(4 * kRing);
    packets.resize(gateway_->handed_over_by(1).pop(packets));
    return packets;
  }
  /// As worker 0 does it in its turn.
  void relay() {
    for (rte_mbuf* const packet : handed_over()) encapsulate_handed_over(gateway_->worker(0), packet);
    gateway_->settle();
  }
  void expect_drops(unsigned worker, DropReason reason, dataplane::DropDetail detail, size_t count) {
    EXPECT_EQ(gateway_->dropped(), count);
    EXPECT_EQ(gateway_->dropped(reason), count);
    size_t told = 0;
    for (const auto& record : gateway_->worker(worker).drops.recorder().of(reason)) {
      if (record.number == 0) continue;
      ++told;
      EXPECT_EQ(record.note.detail, detail);
    }
    EXPECT_EQ(told, count);
  }

  EspSite site_{{.workers = 2}};
  std::shared_ptr<dataplane::Tables> tables_;
  std::optional<TestGateway> gateway_;
};
INSTANTIATE_FOR_FAMILIES(EspRelay);

TEST_P(EspRelay, HasAnotherWorkerEncryptWhatOneCannotSend) {
  make();
  send(3);
  EXPECT_EQ(gateway_->sent(kCore).size(), 0u);
  relay();
  uint64_t number = 1;
  EXPECT_EQ(opened(site_, *gateway_, number), (Frames{translated(0), translated(1), translated(2)}));
  EXPECT_EQ(gateway_->dropped(), 0u);
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
}

TEST_P(EspRelay, DropsWhatTheOthersRingHasNoRoomFor) {
  make();
  constexpr unsigned kTooMany = 5;
  send(kRing + kTooMany);
  expect_drops(1, DropReason::kRingFull, dataplane::DropDetail::kWorkerRingFull, kTooMany);
  EXPECT_EQ(gateway_->worker(1).stats.ring_full.read(), kTooMany);
  relay();
  uint64_t number = 1;
  const Frames inner = opened(site_, *gateway_, number);
  ASSERT_EQ(inner.size(), kRing);
  for (unsigned i = 0; i < kRing; ++i) EXPECT_EQ(inner[i], translated(i)) << "the first ones, in their order";
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
  expect_counters_to_add_up(*gateway_);
}

TEST_P(EspRelay, LeavesNoTunnelToTheNextFramesOfBuffersThatItHadNoRoomFor) {
  ServiceSpec clear = service(ForwardMode::kDirect);
  clear.address = family().vip2;
  tables_ = make_tables({service_behind(family(), ForwardMode::kIpip), clear});
  site_.lead(*tables_);
  // The worker that receives has the flows, and takes the short way, which does not write a frame's metadata.
  gateway_.emplace(tables_, GatewayShape{.rx_workers = 2, .ring_size = kRing, .transmit_queues = 1});
  const auto receive = [&](const PacketBuilder& packet) {
    gateway_->put(kEdge, from_client(packet), 1);
    gateway_->poll();
  };
  constexpr unsigned kBuffers = 4095;  // of the gateway, which takes them in turn
  for (unsigned i = 0; i < kBuffers; ++i) receive(request());
  EXPECT_EQ(gateway_->dropped(DropReason::kRingFull), kBuffers - kRing);
  relay();
  gateway_->sent(kCore);
  for (unsigned i = 0; i < kBuffers; ++i) {
    receive(ip(family().client, family().vip2).tcp(50'000, 80));
    const auto frames = handed_over();
    ASSERT_EQ(frames.size(), 1u);
    ASSERT_EQ(dataplane::meta_of(frames[0]).tunnel, 0u) << i;
    rte_pktmbuf_free(frames[0]);
  }
}

TEST_P(EspRelay, DropsWhatWasHandedOverWhereNoTunnelLeadsThereAnyMore) {
  make();
  send(3);
  const auto without = std::make_shared<dataplane::Tables>(*tables_);
  without->tunnels = nullptr;
  gateway_->publish(without);
  relay();
  EXPECT_EQ(gateway_->sent(kCore).size(), 0u) << "in clear";
  expect_drops(0, DropReason::kDenied, dataplane::DropDetail::kTunnel, 3);
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
}

TEST_P(EspRelay, DropsWhatWasHandedOverWhereTheTunnelLeadsElsewhere) {
  make();
  send(3);
  const auto elsewhere = std::make_shared<dataplane::Tables>(*tables_);
  const dataplane::Route networks[] = {{*Prefix::parse("10.31.0.0/16"), 0, false, {}},
                                       {*Prefix::parse("fd31::/32"), 0, false, {}}};
  elsewhere->tunnels = std::make_shared<const dataplane::TunnelTables>(
      tables_->tunnels->tunnels(), std::vector<dataplane::InboundEntry>{}, networks);
  gateway_->publish(elsewhere);
  relay();
  EXPECT_EQ(gateway_->sent(kCore).size(), 0u) << "in clear";
  expect_drops(0, DropReason::kDenied, dataplane::DropDetail::kTunnel, 3);
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
}

TEST_P(EspPath, GivesUpWhatWaitsForTheNextHopWhereTheWorkerStops) {
  const EspSite site;
  const auto tables = tables_of(site, behind());
  std::erase_if(tables->neighbors, [](const dataplane::StaticNeighbor& neighbor) {
    return neighbor.address == *IpAddress::parse(kIpv4.backend2);
  });
  TestGateway gateway(tables);
  dataplane::Worker& worker = gateway.worker();
  for (uint16_t flow = 0; flow < 3; ++flow) {
    gateway.receive(kEdge, from_client(request(static_cast<uint16_t>(40'000 + flow))));
  }
  const Frames asked = gateway.sent(kCore);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(load<Be16>(asked[0].data() + 12).host(), 0x0806) << "who has the next hop's address";
  EXPECT_EQ(gateway.dropped(), 0u);
  EXPECT_EQ(gateway.buffers_in_use(), 3u);
  for (int again = 0; again < 2; ++again) {
    give_up_tunnels(worker);
    worker.drops.free_pending();
    EXPECT_EQ(gateway.dropped(), 3u);
    EXPECT_EQ(gateway.dropped(DropReason::kNeighborUnresolved), 3u);
    EXPECT_EQ(gateway.buffers_in_use(), 0u);
  }
  gateway.receive(kEdge, from_client(request(40'003)));
  EXPECT_EQ(gateway.buffers_in_use(), 1u) << "the next one waits as those before";
  give_up_tunnels(worker);
  worker.drops.free_pending();
  EXPECT_EQ(gateway.sent(kCore).size(), 0u);
}

/// What a worker's lcore does.
void work(dataplane::Worker& worker, unsigned polls) {
  for (unsigned i = 0; i < polls; ++i) {
    poll_rx_worker(worker);
    send_encrypted(worker);
    worker.transmit.flush();
    worker.drops.free_pending();
  }
}

TEST(EspWorkers, ShareAnAssociationWithoutReplaysAndKeepFlowsInOrder) {
  // Fewer than may wait while the kernel has the other worker put aside just as it sends.
  constexpr unsigned kWorkers = 2, kRounds = 60, kPackets = 100, kFlows = 20;
  EspSite site({.is_extended = true, .workers = kWorkers});
  TestGateway gateway(tables_of(site, service_behind(kIpv4, ForwardMode::kDnat)), {.rx_workers = kWorkers});
  std::set<uint64_t> numbers;
  std::map<uint16_t, uint32_t> next;  // by the flow's port: the number of its next packet
  for (unsigned round = 0; round < kRounds; ++round) {
    for (unsigned i = 0; i < kPackets; ++i) {
      for (unsigned worker = 0; worker < kWorkers; ++worker) {
        const auto port = static_cast<uint16_t>(40'000 + 100 * worker + i % kFlows);
        const uint32_t of_flow = (round * kPackets + i) / kFlows;
        gateway.put(kEdge, from_client(ip(kIpv4.client, kIpv4.vip).tcp(port, 80).sequence(of_flow)), worker);
      }
    }
    std::thread other([&] { work(gateway.worker(1), 60); });
    work(gateway.worker(0), 60);
    other.join();
    gateway.settle();
    for (const Bytes& frame : gateway.sent(kCore)) {
      const auto found = site.opened(frame);
      ASSERT_TRUE(found);
      EXPECT_TRUE(numbers.insert(found->number).second) << "a number came twice";
      const uint8_t* const tcp = found->inner.data() + 20;
      EXPECT_EQ(load<Be32>(tcp + 4).host(), next[load<Be16>(tcp).host()]++);
    }
  }
  EXPECT_EQ(numbers.size(), size_t{kWorkers} * kRounds * kPackets);
  EXPECT_EQ(gateway.dropped(), 0u);
  for (const auto& counters : site.state().counters)
    EXPECT_EQ(counters.packets_out.read(), kRounds * kPackets);
}

TEST(EspWorkers, DropAsBoundedWhatIsTooMuchWhileAnotherWorkerSends) {
  EspSite site({.is_extended = true, .workers = 2});
  TestGateway gateway(tables_of(site, service_behind(kIpv4, ForwardMode::kDnat)), {.rx_workers = 2});
  dataplane::SequenceLeases& leases = *site.out().leases;
  const auto number = leases.take(1);
  ASSERT_TRUE(number);
  // Where the kernel sets the other worker aside.
  ASSERT_EQ(leases.depart(1, *number, 1), dataplane::SequenceLeases::Departure::kNow);
  constexpr unsigned kPackets = 600;
  for (unsigned i = 0; i < kPackets; ++i) {
    const auto port = static_cast<uint16_t>(40'000 + i % 20);
    gateway.put(kEdge, from_client(ip(kIpv4.client, kIpv4.vip).tcp(port, 80)), 0);
  }
  work(gateway.worker(0), 20);
  const size_t at_once = gateway.sent(kCore).size();
  const uint64_t next = leases.next();
  work(gateway.worker(0), 20);
  EXPECT_EQ(leases.next(), next) << "nothing is encrypted in vain while the other worker has not sent";
  leases.left(1);
  gateway.settle();  // the other worker's own flows, too
  const size_t later = gateway.sent(kCore).size();
  EXPECT_GE(later, dataplane::EspWorker::kMostWaiting / 2);
  EXPECT_GT(gateway.dropped(DropReason::kTxFull), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kNeighborUnresolved), 0u);
  EXPECT_EQ(at_once + later + gateway.dropped(), kPackets);
  EXPECT_EQ(gateway.buffers_in_use(), 0u);
}

}  // namespace
}  // namespace sluice::test
