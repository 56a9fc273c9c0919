// Inspection, packet by packet: what is dropped, held, reset and counted, and that the short way of known
// flows begins where nothing has to be looked at any more.
#include <memory>

#include "dataplane/inspect/inspection.h"
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

using dataplane::Inspection;
using dataplane::InspectionCounts;
using dataplane::InspectionMode;
using dataplane::InspectionPlan;
using dataplane::InspectionRule;
using dataplane::RuleAction;
using dataplane::Tables;

constexpr uint32_t kFirst = 5000;  ///< of the client's bytes
constexpr uint32_t kAnswer = 90000;

InspectionPlan plan_of(InspectionMode mode, uint32_t bytes = 64, uint32_t streams = 16) {
  InspectionPlan plan{.mode = mode, .bytes = bytes, .streams = streams, .workers = 1};
  plan.rules = {{.id = 11, .pattern = "attack"},
                {.id = 12, .pattern = "probe", .action = RuleAction::kReset},
                {.id = 13, .pattern = "curious", .action = RuleAction::kCount}};
  plan.places = {0, 1, 2};
  plan.counts = InspectionCounts::create(1).value();
  return plan;
}

std::shared_ptr<Tables> with_inspection(const ServiceSpec& spec, std::shared_ptr<Inspection> inspection,
                                        uint64_t generation = 1) {
  auto tables = make_tables({spec});
  tables->generation = generation;
  tables->inspection_generation = generation;
  tables->inspections = std::make_shared<const dataplane::InspectionList>(1, std::move(inspection));
  return tables;
}

/// A client, a gateway that inspects, and a backend, with what a TCP connection between them needs.
class Inspect : public testing::TestWithParam<std::tuple<Family, ForwardMode>> {
 protected:
  const Family& family() const { return std::get<0>(GetParam()); }
  ForwardMode mode() const { return std::get<1>(GetParam()); }
  bool is_nat() const { return lb::is_nat(mode()); }
  ServiceSpec spec(IpProtocol protocol = IpProtocol::kTcp) const {
    return {.address = family().vip,
            .protocol = protocol,
            .forward = mode(),
            .backends = {{.address = family().backend, .port = 8080}}};
  }
  void make(InspectionPlan plan) {
    inspection_ = Inspection::compile(std::move(plan)).value();
    gateway_ = std::make_unique<TestGateway>(with_inspection(spec(), inspection_));
  }
  PacketBuilder segment(uint32_t offset, std::string_view payload, uint8_t flags = 0x18) const {
    return ip(family().client, family().vip)
        .tcp(40000, 80)
        .tcp_flags(flags)
        .sequence(kFirst + offset)
        .acknowledgment(kAnswer + 1)
        .payload(payload);
  }
  void send(const PacketBuilder& packet) { gateway_->receive(kEdge, from_client(packet)); }
  void send(uint32_t offset, std::string_view payload, uint8_t flags = 0x18) {
    send(segment(offset, payload, flags));
  }
  /// The client's SYN, and the backend's answer, where it comes by.
  void open() {
    send(ip(family().client, family().vip).tcp(40000, 80).syn().sequence(kFirst - 1));
    const Frames out = gateway_->sent(kCore);
    ASSERT_EQ(out.size(), 1u);
    nat_port_ = source_port_of(out[0]);
    if (is_nat()) answer(0x12, kFirst);
    gateway_->sent(kEdge);
  }
  void answer(uint8_t flags, uint32_t acknowledgment) {
    const bool is_full = mode() == ForwardMode::kFullNat;
    gateway_->receive(
        kCore, from_backend(family().backend, ip(family().backend, is_full ? family().snat : family().client)
                                                  .tcp(8080, is_full ? nat_port_ : uint16_t{40000})
                                                  .tcp_flags(flags)
                                                  .sequence(flags == 0x12 ? kAnswer : kAnswer + 1)
                                                  .acknowledgment(acknowledgment)));
  }
  size_t passed() { return gateway_->sent(kCore).size(); }
  uint64_t inspected() const { return gateway_->dropped(DropReason::kInspected); }
  InspectionCounts::OfWorker& counts() { return inspection_->counts(0); }
  const lb::FlowEntry& flow() {
    lb::FlowTable& flows = gateway_->worker().balancer.flows();
    for (lb::FlowIndex i = 0; i < flows.capacity(); ++i) {
      if (flows.at(i).state != lb::FlowState::kFree && !flows.at(i).is_reply) return flows.at(i);
    }
    ADD_FAILURE() << "there is no flow";
    return flows.at(0);
  }

  std::shared_ptr<Inspection> inspection_;
  std::unique_ptr<TestGateway> gateway_;
  uint16_t nat_port_ = 0;
};
INSTANTIATE_TEST_SUITE_P(All, Inspect,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kDirect)));

TEST_P(Inspect, DropsAPayloadThatMatchesAndTheRestOfItsFlow) {
  make(plan_of(InspectionMode::kPacket));
  open();
  send(0, "harmless");
  EXPECT_EQ(passed(), 1u);
  send(8, "an attack");
  send(17, "harmless");
  EXPECT_EQ(passed(), 0u);
  EXPECT_EQ(inspected(), 2u);
  EXPECT_EQ(counts().matches[0].read(), 1u);
  EXPECT_EQ(counts().scanned_bytes.read(), 8u + 9u);
  send(ip(family().client, family().vip).tcp(40000, 80).syn().sequence(77));  // another connection
  EXPECT_EQ(passed(), 1u);
  expect_counters_to_add_up(*gateway_);
}

TEST_P(Inspect, FindsNothingOverPacketBordersByPacket) {
  make(plan_of(InspectionMode::kPacket));
  open();
  send(0, "att");
  send(3, "ack");
  EXPECT_EQ(passed(), 2u);
}

TEST_P(Inspect, FindsWhatIsCutInTwo) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "an att");
  EXPECT_EQ(passed(), 1u);
  send(6, "ack");
  EXPECT_EQ(passed(), 0u);
  EXPECT_EQ(inspected(), 1u);
  EXPECT_EQ(counts().open_streams.read(), 0u);
  send(6, "ack");  // sent again
  EXPECT_EQ(inspected(), 2u);
}

TEST_P(Inspect, HoldsASegmentUntilTheGapFillsAndSendsBothInOrder) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(8, "second");
  EXPECT_EQ(passed(), 0u);
  EXPECT_EQ(gateway_->buffers_in_use(), 1u);
  send(0, "first   ");
  const Frames out = gateway_->sent(kCore);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(std::string(out[0].end() - 8, out[0].end()), "first   ");
  EXPECT_EQ(std::string(out[1].end() - 6, out[1].end()), "second");
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
  EXPECT_EQ(gateway_->dropped(), 0u);
}

TEST_P(Inspect, FindsWhatCameInDisorder) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(3, "ack");
  send(0, "att");
  EXPECT_EQ(passed(), 1u);  // what had only begun
  EXPECT_EQ(inspected(), 1u);
  EXPECT_EQ(counts().matches[0].read(), 1u);
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
}

TEST_P(Inspect, DropsASegmentThatContradictsWhatPassedOrWaits) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "good");
  send(2, "OD!!");
  EXPECT_EQ(passed(), 1u);
  send(8, "late");
  send(10, "TEST");
  EXPECT_EQ(counts().ambiguous.read(), 2u);
  EXPECT_EQ(inspected(), 2u);
  send(0, "good");  // sent again, as it was
  EXPECT_EQ(passed(), 1u);
}

TEST_P(Inspect, LooksAtTheFirstBytesAndThenTakesTheShortWay) {
  make(plan_of(InspectionMode::kStream, 16));
  open();
  send(0, "0123456789");
  EXPECT_EQ(flow().watch, lb::FlowWatch::kRequests);
  EXPECT_FALSE(flow().is_settled);
  send(10, "abcdef an attack");  // it is behind the first bytes
  EXPECT_EQ(passed(), 2u);
  if (is_nat()) {
    EXPECT_EQ(flow().watch, lb::FlowWatch::kBoth);  // until the backend has it
    send(0, "0123456788");
    EXPECT_EQ(counts().ambiguous.read(), 1u);
    answer(0x10, kFirst + 15);
    EXPECT_EQ(flow().watch, lb::FlowWatch::kBoth);
    answer(0x10, kFirst + 26);
  }
  EXPECT_EQ(flow().watch, lb::FlowWatch::kOver);
  EXPECT_EQ(counts().open_streams.read(), 0u);
  send(26, "attack");
  send(32, "attack");
  EXPECT_EQ(passed(), 2u);
  EXPECT_TRUE(flow().is_settled);
  EXPECT_EQ(counts().scanned_bytes.read(), 16u);
}

TEST_P(Inspect, GoesByPacketWithoutASyn) {
  make(plan_of(InspectionMode::kStream));
  if (is_nat()) return;  // a flow without an entry is nobody's there
  send(0, "harmless");
  send(8, "att");
  send(11, "ack");
  EXPECT_EQ(passed(), 3u);
  send(14, "attack");
  EXPECT_EQ(inspected(), 1u);
}

TEST_P(Inspect, GoesByPacketBeyondTheNumberOfStreams) {
  make(plan_of(InspectionMode::kStream, 64, 1));
  open();
  const auto other = [&](uint32_t offset, std::string_view payload, uint8_t flags) {
    send(ip(family().client2, family().vip)
             .tcp(1, 80)
             .tcp_flags(flags)
             .sequence(kFirst + offset)
             .payload(payload));
  };
  other(UINT32_MAX, "", 0x02);
  other(0, "att", 0x18);
  other(3, "ack", 0x18);
  EXPECT_EQ(inspected(), 0u);
  EXPECT_EQ(counts().streams_exceeded.read(), 1u);
  other(6, "attack", 0x18);
  EXPECT_EQ(inspected(), 1u);
}

TEST_P(Inspect, CountsARuleOnceForAStream) {
  make(plan_of(InspectionMode::kStream));
  open();
  for (uint32_t i = 0; i < 4; ++i) send(8 * i, "curious ");
  EXPECT_EQ(passed(), 4u);
  EXPECT_EQ(counts().matches[2].read(), 1u);
}

TEST_P(Inspect, TellsTheBackendAndTheClientOfAReset) {
  if (!is_nat()) return;
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "first ");
  passed();
  const PacketBuilder last = segment(6, "a probe");
  send(last);
  const Frames to_core = gateway_->sent(kCore), to_edge = gateway_->sent(kEdge);
  const bool is_full = mode() == ForwardMode::kFullNat;
  const PacketBuilder reset_of_backend = ip(is_full ? family().snat : family().client, family().backend)
                                             .tcp(is_full ? nat_port_ : uint16_t{40000}, 8080)
                                             .tcp_flags(0x14)
                                             .sequence(kFirst + 6)
                                             .acknowledgment(kAnswer + 1);
  const PacketBuilder reset_of_client = ip(family().vip, family().client)
                                            .tcp(80, 40000)
                                            .tcp_flags(0x14)
                                            .sequence(kAnswer + 1)
                                            .acknowledgment(kFirst + 13);
  const auto l4_of = [&](const Bytes& frame) {
    return Bytes(frame.begin() + 14 + long(family().header), frame.end());
  };
  const auto expect_reset = [&](const Frames& frames, const Bytes& expected) {
    ASSERT_EQ(frames.size(), 1u);
    Bytes reset = l4_of(frames[0]), wanted = l4_of(expected);
    reset[14] = wanted[14], reset[15] = wanted[15];  // the window says nothing
    reset[16] = wanted[16], reset[17] = wanted[17];
    EXPECT_EQ(reset, wanted);
  };
  expect_reset(to_core, to_backend(family().backend, reset_of_backend));
  expect_reset(to_edge, to_client(reset_of_client));
  EXPECT_EQ(inspected(), 1u);
  EXPECT_TRUE(flow().is_closed());
  answer(0x10, kFirst + 6);  // what the backend still says is dropped, too
  EXPECT_EQ(inspected(), 2u);
  expect_counters_to_add_up(*gateway_);
}

TEST_P(Inspect, TakesTheConnectionThatTheBackendTakes) {
  if (!is_nat()) return;
  make(plan_of(InspectionMode::kStream));
  send(ip(family().client, family().vip).tcp(40000, 80).syn().sequence(123));  // one that is lost behind it
  passed();
  open();
  send(0, "an att");
  send(6, "ack");
  EXPECT_EQ(inspected(), 1u);
}

TEST_P(Inspect, MakesUrgentBytesPlainOnes) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(segment(0, "atXtack").urgent(3));
  const Frames out = gateway_->sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  const size_t l4 = out[0].size() - 7 - 20;
  EXPECT_EQ(out[0][l4 + 13] & 0x20, 0);
  EXPECT_EQ(out[0][l4 + 18] | out[0][l4 + 19], 0);
}

TEST_P(Inspect, LetsAKeepalivePassWithTheByteThatWasThere) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "abcd");
  passed();
  send(3, std::string_view("\0", 1));
  const Frames out = gateway_->sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].back(), 'd');
  EXPECT_EQ(gateway_->dropped(), 0u);
}

TEST_P(Inspect, GivesBackWhatAFlowHasThatEnds) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(8, "early");
  EXPECT_EQ(counts().open_streams.read(), 1u);
  gateway_->worker().balancer.end(const_cast<lb::FlowEntry&>(flow()));
  gateway_->settle();
  EXPECT_EQ(counts().open_streams.read(), 0u);
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
  EXPECT_EQ(counts().held_dropped.read(), 1u);
}

TEST_P(Inspect, GivesUpOnAGapThatDoesNotFill) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(8, "early");
  gateway_->advance_ms(9'000);
  gateway_->settle();
  EXPECT_EQ(gateway_->buffers_in_use(), 1u);
  gateway_->advance_ms(2'000);
  gateway_->settle();
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
  EXPECT_EQ(counts().held_dropped.read(), 1u);
}

TEST_P(Inspect, HoldsNoMoreThanItMay) {
  make(plan_of(InspectionMode::kStream, 1000));
  open();
  for (uint32_t i = 0; i < 100; ++i) send(2 + 2 * i, "ab");
  EXPECT_EQ(gateway_->buffers_in_use(), dataplane::HeldSegments::kMostOfStream);
  EXPECT_EQ(counts().held_dropped.read(), 100 - dataplane::HeldSegments::kMostOfStream);
}

TEST_P(Inspect, KeepsTheOldRulesForStreamsThatRun) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "an att");
  InspectionPlan other = plan_of(InspectionMode::kStream);
  other.rules = {{.id = 21, .pattern = "other"}};
  other.places = {0};
  const auto next = Inspection::compile(std::move(other)).value();
  gateway_->publish(with_inspection(spec(), next, 1));
  EXPECT_EQ(inspection_->open_streams(), 1u);
  send(6, "ack");
  EXPECT_EQ(inspected(), 1u);
  EXPECT_EQ(inspection_->open_streams(), 0u);
  send(ip(family().client2, family().vip).tcp(1, 80).syn().sequence(kFirst - 1));
  EXPECT_EQ(next->open_streams(), 1u);
}

TEST_P(Inspect, HasFlowsThatWereThereBeforeGoByPacket) {
  auto tables = make_tables({spec()});
  gateway_ = std::make_unique<TestGateway>(tables);
  open();
  for (uint32_t i = 0; i < 3; ++i) send(8 * i, "harmless");
  if (is_nat()) answer(0x10, kFirst + 24);
  send(24, "harmless");
  inspection_ = Inspection::compile(plan_of(InspectionMode::kStream)).value();
  gateway_->publish(with_inspection(spec(), inspection_, 2));
  send(32, "an attack");
  EXPECT_EQ(inspected(), 1u);
}

TEST_P(Inspect, LetsFlowsGoWhoseServiceHasNoInspectionAnyMore) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "an att");
  gateway_->publish(make_tables({spec()}));
  send(6, "ack");
  send(9, "attack");
  EXPECT_EQ(passed(), 3u);
  EXPECT_EQ(flow().watch, lb::FlowWatch::kNever);
  EXPECT_EQ(inspection_->open_streams(), 0u);
}

TEST_P(Inspect, PassesNothingBeforeItsRulesAreCompiled) {
  gateway_ = std::make_unique<TestGateway>(
      with_inspection(spec(), Inspection::pending(plan_of(InspectionMode::kStream))));
  send(ip(family().client, family().vip).tcp(40000, 80).syn());
  EXPECT_EQ(passed(), 0u);
  EXPECT_EQ(inspected(), 1u);
}

TEST_P(Inspect, ExplainsWhichRuleBlocksAFlow) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(0, "attack");
  dataplane::WorkerRequest request{
      .question = dataplane::ExplainRequest{.key = {.source = *IpAddress::parse(family().client),
                                                    .destination = *IpAddress::parse(family().vip),
                                                    .source_port = Be16::from_host(40000),
                                                    .destination_port = Be16::from_host(80),
                                                    .protocol = IpProtocol::kTcp},
                                            .result = {}}};
  ASSERT_TRUE(gateway_->worker().requests->push(&request));
  serve_request(gateway_->worker());
  const auto& result = std::get<dataplane::ExplainRequest>(request.question).result;
  EXPECT_EQ(result.drop, DropReason::kInspected);
  ASSERT_EQ(result.rules.all().size(), 1u);
  EXPECT_EQ(result.rules.all()[0].kind, lb::DecidedRule::Kind::kInspection);
  EXPECT_EQ(result.rules.all()[0].index, 11u);
}

class InspectUdp : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(InspectUdp);

TEST_P(InspectUdp, DropsADatagramThatMatchesAndTheRestOfItsFlow) {
  const auto inspection = Inspection::compile(plan_of(InspectionMode::kPacket)).value();
  TestGateway gateway(with_inspection(service(ForwardMode::kDnat, IpProtocol::kUdp), inspection));
  const auto send = [&](std::string_view payload) {
    gateway.receive(kEdge, from_client(ip(family().client, family().vip).udp(5000, 80).payload(payload)));
  };
  send("harmless");
  send("an attack");
  send("harmless");
  EXPECT_EQ(gateway.sent(kCore).size(), 1u);
  EXPECT_EQ(gateway.dropped(DropReason::kInspected), 2u);
}

}  // namespace
}  // namespace sluice::test
