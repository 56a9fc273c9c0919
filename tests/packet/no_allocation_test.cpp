// Workers never allocate: the whole pipeline runs under an operator new that aborts.
#include "dataplane/inspect/inspection.h"
#include "lb/service_rules.h"
#include "tests/packet/packet_test.h"
#include "tests/support/esp_site.h"
#include "tests/support/forbid_allocation.h"

namespace sluice::test {
namespace {

class NoAllocation : public FamilyTest {
 protected:
  /// Puts the frames in, then lets the workers work without memory to be had.
  static void run(TestGateway& gateway, uint8_t port, const Frames& frames) {
    for (const Bytes& frame : frames) gateway.put(port, frame);
    const ForbidAllocation forbidden;
    gateway.settle();
  }
  Frames traffic() const {
    Frames frames;
    for (uint16_t flow = 1; flow <= 25; ++flow) frames.push_back(from_client(request(flow).syn()));
    frames.push_back(from_client(request(1).fin()));
    frames.push_back(from_client(request(2).rst()));
    frames.push_back(from_client(request(3).payload_bytes(1440)));
    frames.push_back(from_client(ip(family().client, family().vip).icmp(v4() ? 8 : 128, 0, 1)));
    const PacketBuilder answer = ip(family().vip, family().client).tcp(80, 3);
    frames.push_back(from_client(ip(family().client, family().vip).icmp(v4() ? 3 : 1, 3, 0).payload(answer)));
    frames.push_back(from_client(ip(family().client, family().edge).tcp(1, 22)));
    frames.push_back(from_client(request(4).l4_checksum(1)));
    frames.push_back(from_client(ip(family().client, family().vip2).tcp(1, 81)));
    frames.push_back(ethernet({kRouterMac, "ff:ff:ff:ff:ff:ff"},
                              arp(1, kRouterMac, "10.10.0.254", "00:00:00:00:00:00", "10.10.0.1"), 0x0806));
    return frames;
  }
};
INSTANTIATE_FOR_FAMILIES(NoAllocation);

TEST_P(NoAllocation, InAnyModeOrPolicy) {
  for (const ForwardMode mode : {ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kIpip,
                                 ForwardMode::kGue, ForwardMode::kDirect}) {
    for (const Policy policy : {Policy::kMaglev, Policy::kSourceHash, Policy::kWeightedRoundRobin,
                                Policy::kRandom, Policy::kTwoChoices, Policy::kLeastConnections}) {
      ServiceSpec spec = service(mode);
      spec.policy = policy;
      // The second is no static neighbor: packets wait for it to be resolved.
      spec.backends = {{.address = family().backend}, {.address = v4() ? "10.20.0.99" : "fd20::99"}};
      auto tables = make_tables({spec});
      tables->ports[kEdge].kernel = true;
      TestGateway gateway(tables, {.flow_table_entries = 16});
      run(gateway, kEdge, traffic());
      run(gateway, kCore, {from_backend(family().backend, ip(family().backend, family().client).tcp(80, 3))});
      EXPECT_GT(gateway.transmitted(), 0u);
    }
  }
}

TEST_P(NoAllocation, AcrossWorkers) {
  for (const GatewayShape& shape :
       {GatewayShape{.rx_workers = 3}, GatewayShape{.rx_workers = 1, .lb_workers = 2}}) {
    TestGateway gateway(make_tables({service(ForwardMode::kDnat)}), shape);
    run(gateway, kEdge, traffic());
    EXPECT_GT(gateway.transmitted(), 0u);
  }
}

TEST_P(NoAllocation, ThroughAnEspTunnel) {
  for (const bool is_udp : {false, true}) {
    const EspSite site({.is_udp = is_udp, .is_extended = true, .workers = 2});
    ServiceSpec spec = service(ForwardMode::kFullNat);
    spec.backends = {{.address = v4() ? EspSite::kBackend4 : EspSite::kBackend6, .port = 8080}};
    auto tables = make_tables({spec});
    site.lead(*tables);
    TestGateway gateway(tables, {.rx_workers = 2});
    for (int i = 0; i < 3; ++i) run(gateway, kEdge, traffic());
    EXPECT_GT(gateway.sent(kCore).size(), 60u);
    const PacketBuilder answer = ip(spec.backends[0].address, family().snat).tcp(8080, 1);
    const Bytes right = site.sealed(answer.bytes(), 1);
    Bytes forged = site.sealed(answer.bytes(), 2);
    forged.back() ^= 1;
    run(gateway, kCore, {right, right, forged, from_backend(family().backend2, answer)});
    EXPECT_GE(gateway.dropped(DropReason::kDenied), 3u);
    EXPECT_EQ(site.state().counters[0].packets_in.read(), 1u);
  }
}

TEST_P(NoAllocation, WithAccessListsAndLimits) {
  lb::ServiceRules rules;
  rules.access = std::make_shared<const lb::AccessList>(
      std::vector<lb::AccessList::Part>{{lb::PrefixSet::build({*Prefix::parse(family().client2)}), false, 0}},
      true);
  rules.new_flows = std::make_shared<lb::SharedBucket>(lb::Rate::of(1, 20), 3);
  rules.packets = std::make_shared<lb::SharedBucket>(lb::Rate::of(1, 60), 3);
  rules.most_flows = 10;
  rules.per_source.emplace();
  const auto sources = [] { return std::make_shared<lb::SourceTable>(4); };
  rules.per_source->new_flows.emplace(lb::Rate::of(1, 15), sources());
  rules.per_source->packets.emplace(lb::Rate::of(1, 50), sources());
  rules.per_source->flows.emplace(8, sources(), 1);
  auto tables = make_tables({service(ForwardMode::kDnat)});
  auto services = std::make_shared<std::vector<lb::Service>>(*tables->services);
  services->front().rules = &rules;
  tables->services = services;
  tables->rules = std::make_shared<dataplane::RuleList>();
  tables->counted_services = std::make_shared<const std::vector<lb::ServiceId>>(1, 0);
  tables->access_generation = 1;
  TestGateway gateway(tables, {.rx_workers = 3, .splits_flows = true});
  for (int i = 0; i < 3; ++i) run(gateway, kEdge, traffic());
  run(gateway, kEdge, {from_client(ip(family().client2, family().vip).tcp(1, 80))});
  EXPECT_GT(gateway.dropped(DropReason::kRateLimited), 0u);
  EXPECT_EQ(gateway.dropped(DropReason::kDenied), 1u);
}

TEST_P(NoAllocation, WhileInspecting) {
  for (const auto mode : {dataplane::InspectionMode::kStream, dataplane::InspectionMode::kPacket}) {
    dataplane::InspectionPlan plan{.mode = mode, .bytes = 100, .streams = 20};
    plan.rules = {{.id = 1, .pattern = "attack"},
                  {.id = 2, .pattern = "probe", .action = dataplane::RuleAction::kReset},
                  {.id = 3, .pattern = "a.*z$", .action = dataplane::RuleAction::kCount}};
    plan.places = {0, 1, 2};
    plan.counts = dataplane::InspectionCounts::create(1).value();
    const auto inspection = dataplane::Inspection::compile(std::move(plan)).value();
    auto tables = make_tables({service(ForwardMode::kDnat)});
    tables->inspections = std::make_shared<const dataplane::InspectionList>(1, inspection);
    tables->inspection_generation = 1;
    TestGateway gateway(tables);
    const auto segment = [&](uint16_t port, uint32_t offset, std::string_view payload) {
      return from_client(request(port).sequence(1000 + offset).payload(payload));
    };
    Frames frames = traffic();
    for (uint16_t port = 100; port < 130; ++port) {  // some beyond the streams that there may be
      frames.push_back(from_client(request(port).syn().sequence(999)));
      frames.push_back(segment(port, 8, "behind"));
      frames.push_back(segment(port, 0, "an att"));
      frames.push_back(segment(port, 0, "and so"));
      frames.push_back(segment(port, 6, port % 2 == 0 ? "ack" : "a probe"));
      frames.push_back(segment(port, 14, "the rest, up to z"));
    }
    run(gateway, kEdge, frames);
    EXPECT_GT(gateway.dropped(DropReason::kInspected), 0u);
    EXPECT_GT(inspection->counts(0).matches[0].read() + inspection->counts(0).matches[1].read(), 0u);
  }
}

TEST_P(NoAllocation, WhileCapturing) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  dataplane::Captures captures;
  for (const auto at : {dataplane::CapturePoint::kReceived, dataplane::CapturePoint::kSent,
                        dataplane::CapturePoint::kDropped}) {
    dataplane::CaptureWish wish{.at = at, .filter = *dataplane::PacketFilter::compile("tcp")};
    captures.running.push_back(std::make_shared<const dataplane::Capture>(std::move(wish), 1));
  }
  gateway.capture(&captures);
  for (unsigned i = 0; i < 3; ++i) run(gateway, kEdge, traffic());
  for (const auto& capture : captures.running) {
    size_t packets = 0;
    capture->drain([&packets](const auto&, uint64_t, auto) { return ++packets > 0; });
    EXPECT_GT(packets, 0u);
  }
  gateway.capture(nullptr);
}

TEST_P(NoAllocation, WhenAsked) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  run(gateway, kEdge, traffic());
  dataplane::WorkerRequest request{.question = dataplane::ListFlowsRequest{.limit = 5, .found = {}}};
  std::get<dataplane::ListFlowsRequest>(request.question).found.reserve(2);
  ASSERT_TRUE(gateway.worker().requests->push(&request));
  {
    const ForbidAllocation forbidden;
    take_request(gateway.worker());
    for (int i = 0; i < 10; ++i) serve_request(gateway.worker());
  }
  EXPECT_TRUE(request.done.load());
  EXPECT_EQ(std::get<dataplane::ListFlowsRequest>(request.question).found.size(), 2u);
}

TEST_P(NoAllocation, WhenAskedWhatAChangeWouldEnd) {
  const auto tables = make_tables({service(ForwardMode::kFullNat)});
  TestGateway gateway(tables);
  run(gateway, kEdge, traffic());
  const auto candidate = std::make_shared<dataplane::Tables>(*tables);
  candidate->services = std::make_shared<std::vector<lb::Service>>(1);
  dataplane::WorkerRequest request{.question =
                                       dataplane::CountLossesRequest{candidate, std::vector<uint32_t>(1), 0}};
  ASSERT_TRUE(gateway.worker().requests->push(&request));
  {
    const ForbidAllocation forbidden;
    take_request(gateway.worker());
    for (int i = 0; i < 40; ++i) serve_request(gateway.worker());
  }
  EXPECT_TRUE(request.done.load());
  EXPECT_GT(std::get<dataplane::CountLossesRequest>(request.question).lost[0], 0u);
}

TEST(NoAllocationItself, IsNoticed) {
  EXPECT_DEATH(
      {
        const ForbidAllocation forbidden;
        std::vector<int> allocates(1000);
        std::printf("%p", static_cast<void*>(allocates.data()));
      },
      "memory was allocated");
}

}  // namespace
}  // namespace sluice::test
