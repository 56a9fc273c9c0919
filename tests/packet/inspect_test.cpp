// Inspection, packet by packet: what is dropped and counted by which rules, and that the short way of known
// flows begins where nothing has to be looked at any more.
#include "tests/packet/inspect_fixture.h"

namespace sluice::test {
namespace {

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

TEST_P(Inspect, CountsARuleOnceForAStream) {
  make(plan_of(InspectionMode::kStream));
  open();
  for (uint32_t i = 0; i < 4; ++i) send(8 * i, "curious ");
  EXPECT_EQ(passed(), 4u);
  EXPECT_EQ(counts().matches[2].read(), 1u);
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
  take_request(gateway_->worker());
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
