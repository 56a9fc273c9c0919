// Inspection of streams, packet by packet: what is held, in which order it is sent on, what contradicts, and
// what both ends are told of a reset.
#include "tests/packet/inspect_fixture.h"

namespace sluice::test {
namespace {

class InspectStream : public Inspect {};
INSTANTIATE_TEST_SUITE_P(All, InspectStream,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kDirect)));

TEST_P(InspectStream, FindsWhatIsCutInTwo) {
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

TEST_P(InspectStream, HoldsASegmentUntilTheGapFillsAndSendsBothInOrder) {
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

TEST_P(InspectStream, FindsWhatCameInDisorder) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(3, "ack");
  send(0, "att");
  EXPECT_EQ(passed(), 1u);  // what had only begun
  EXPECT_EQ(inspected(), 1u);
  EXPECT_EQ(counts().matches[0].read(), 1u);
  EXPECT_EQ(gateway_->buffers_in_use(), 0u);
}

TEST_P(InspectStream, DropsASegmentThatContradictsWhatPassedOrWaits) {
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

TEST_P(InspectStream, GoesByPacketBeyondTheNumberOfStreams) {
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

TEST_P(InspectStream, TellsTheBackendAndTheClientOfAReset) {
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

TEST_P(InspectStream, TakesTheConnectionThatTheBackendTakes) {
  if (!is_nat()) return;
  make(plan_of(InspectionMode::kStream));
  send(ip(family().client, family().vip).tcp(40000, 80).syn().sequence(123));  // one that is lost behind it
  passed();
  open();
  send(0, "an att");
  send(6, "ack");
  EXPECT_EQ(inspected(), 1u);
}

TEST_P(InspectStream, MakesUrgentBytesPlainOnes) {
  make(plan_of(InspectionMode::kStream));
  open();
  send(segment(0, "atXtack").urgent(3));
  const Frames out = gateway_->sent(kCore);
  ASSERT_EQ(out.size(), 1u);
  const size_t l4 = out[0].size() - 7 - 20;
  EXPECT_EQ(out[0][l4 + 13] & 0x20, 0);
  EXPECT_EQ(out[0][l4 + 18] | out[0][l4 + 19], 0);
}

TEST_P(InspectStream, LetsAKeepalivePassWithTheByteThatWasThere) {
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

TEST_P(InspectStream, GivesBackWhatAFlowHasThatEnds) {
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

TEST_P(InspectStream, GivesUpOnAGapThatDoesNotFill) {
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

TEST_P(InspectStream, HoldsNoMoreThanItMay) {
  make(plan_of(InspectionMode::kStream, 1000));
  open();
  for (uint32_t i = 0; i < 100; ++i) send(2 + 2 * i, "ab");
  EXPECT_EQ(gateway_->buffers_in_use(), dataplane::HeldSegments::kMostOfStream);
  EXPECT_EQ(counts().held_dropped.read(), 100 - dataplane::HeldSegments::kMostOfStream);
}

TEST_P(InspectStream, GivesUpTheOldestOfAllStreamsWhereTheWorkerHoldsAsManyAsItMay) {
  using Held = dataplane::HeldSegments;
  make(plan_of(InspectionMode::kStream, 1000));
  const auto send_of = [&](unsigned client, uint32_t offset, std::string_view payload, uint8_t flags = 0x18) {
    send(ip(family().client, family().vip)
             .tcp(static_cast<uint16_t>(30'000 + client), 80)
             .tcp_flags(flags)
             .sequence(kFirst + offset)
             .payload(payload));
  };
  constexpr unsigned kFull = Held::kMost / Held::kMostOfStream;  // clients that hold as many as one may
  for (unsigned client = 0; client <= kFull; ++client) send_of(client, UINT32_MAX, "", 0x02);
  EXPECT_EQ(passed(), kFull + 1);
  for (unsigned client = 0; client < kFull; ++client) {
    for (uint32_t i = 0; i < Held::kMostOfStream; ++i) send_of(client, 2 + 2 * i, "ab");
  }
  EXPECT_EQ(gateway_->buffers_in_use(), Held::kMost);
  EXPECT_EQ(gateway_->dropped(), 0u);

  send_of(kFull, 2, "ab");
  EXPECT_EQ(gateway_->buffers_in_use(), Held::kMost);
  EXPECT_EQ(counts().held_dropped.read(), 1u);
  EXPECT_EQ(inspected(), 1u);
  EXPECT_EQ(passed(), 0u);

  send_of(0, 0, "ab");  // what the first one held at the next place was the oldest
  EXPECT_EQ(passed(), 1u);
  send_of(1, 0, "ab");
  EXPECT_EQ(passed(), 1u + Held::kMostOfStream);
  send_of(kFull, 0, "ab");
  EXPECT_EQ(passed(), 2u);
  send_of(0, 2, "ab");
  EXPECT_EQ(passed(), 0u + Held::kMostOfStream);
  EXPECT_EQ(gateway_->buffers_in_use(), (kFull - 2) * Held::kMostOfStream);
}

}  // namespace
}  // namespace sluice::test
