#include "dataplane/neighbor/neighbors.h"

#include "tests/unit/dataplane/neighbors_fixture.h"

namespace sluice::dataplane {
namespace {

INSTANTIATE_TEST_SUITE_P(Families, NeighborsOf, testing::Values(test::kIpv4, test::kIpv6),
                         [](const auto& family) { return std::string(family.param.name); });

TEST_P(NeighborsOf, KeepPacketsInOrderWhileTheyAsk) {
  send(0);
  EXPECT_EQ(gateway_.sent(kCore), Frames{question()});
  EXPECT_EQ(state(), NeighborState::kIncomplete);
  send(1);
  EXPECT_TRUE(gateway_.sent(kCore).empty()) << "one question is enough";
  gateway_.receive(kCore, answer());
  EXPECT_EQ(gateway_.sent(kCore), (Frames{forwarded(0), forwarded(1)}));
  EXPECT_EQ(state(), NeighborState::kReachable);
  send(2);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(2)});
  EXPECT_EQ(gateway_.dropped(), 0u);
  EXPECT_EQ(gateway_.buffers_in_use(), 0u);
}

TEST_P(NeighborsOf, KeepOnlyAFewPackets) {
  for (unsigned flow = 0; flow < kMaxWaitingPackets + 3; ++flow) send(flow);
  EXPECT_EQ(unresolved(), 3u);
  gateway_.sent(kCore);
  gateway_.receive(kCore, answer());
  EXPECT_EQ(gateway_.sent(kCore).size(), kMaxWaitingPackets);
}

TEST_P(NeighborsOf, GiveUpAfterThreeQuestions) {
  send(0);
  pass_ms(5000);
  EXPECT_EQ(gateway_.sent(kCore), (Frames{question(), question(), question()}));
  EXPECT_EQ(unresolved(), 1u);
  EXPECT_EQ(state(), NeighborState::kFree);
  EXPECT_EQ(gateway_.buffers_in_use(), 0u);
  send(1);
  EXPECT_EQ(gateway_.sent(kCore), Frames{question()}) << "a new packet asks anew";
}

TEST_P(NeighborsOf, PollWhoeverIsStillUsedAndStaysSilent) {
  send(0);
  gateway_.receive(kCore, answer());
  gateway_.sent(kCore);
  pass_ms(20'000);
  send(1);
  pass_ms(10'500);
  EXPECT_EQ(gateway_.sent(kCore), (Frames{forwarded(1), question(kBackendMac)}));
  EXPECT_EQ(state(), NeighborState::kStale);
  send(2);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(2)}) << "traffic goes on meanwhile";
  gateway_.receive(kCore, answer());
  EXPECT_EQ(state(), NeighborState::kReachable);

  gateway_.sent(kCore);
  pass_ms(29'000);
  send(3);
  pass_ms(9'000);
  const auto sent = gateway_.sent(kCore);
  ASSERT_EQ(sent.size(), 7u) << "three questions to it, three to everybody";
  EXPECT_EQ(sent[3], question(kBackendMac));
  EXPECT_EQ(sent[4], question());
  EXPECT_EQ(state(), NeighborState::kFree);
}

TEST_P(NeighborsOf, AskNobodyWhoIsNotUsedAndForgetHim) {
  send(0);
  gateway_.receive(kCore, answer());
  gateway_.sent(kCore);
  pass_ms(300'000);
  EXPECT_TRUE(gateway_.sent(kCore).empty());
  EXPECT_EQ(state(), NeighborState::kStale);
  pass_ms(310'000);
  EXPECT_EQ(state(), NeighborState::kFree);
}

TEST_P(NeighborsOf, LearnNothingFromStrangers) {
  gateway_.receive(kCore, announcement(kStrangerMac));
  gateway_.receive(kCore, answer(kStrangerMac));
  EXPECT_EQ(state(), NeighborState::kFree);
  EXPECT_EQ(gateway_.consumed(), 2u);
}

TEST_P(NeighborsOf, FollowANeighborThatMovesAndNoLongerAnswers) {
  send(0);
  gateway_.receive(kCore, answer());
  gateway_.sent(kCore);
  pass_ms(5'000);
  gateway_.receive(kCore, announcement(kNewMac));
  EXPECT_EQ(gateway_.sent(kCore), Frames{question(kBackendMac)}) << "is it still where it was?";
  EXPECT_EQ(state(), NeighborState::kStale);
  send(1);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(1)}) << "traffic goes on meanwhile";
  pass_ms(1'100);
  EXPECT_EQ(gateway_.sent(kCore), (Frames{question(kBackendMac), question()})) << "silence: everybody";
  gateway_.receive(kCore, answer(kNewMac));
  EXPECT_EQ(state(), NeighborState::kReachable);
  send(2);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(2, kNewMac)});
  const auto notices = take_notices();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0].kind, NoticeKind::kNeighborChanged);
  EXPECT_EQ(notices[0].address.to_string(), GetParam().backend);
  EXPECT_EQ(notices[0].before.to_string(), kBackendMac);
  EXPECT_EQ(notices[0].now.to_string(), kNewMac);
}

TEST_P(NeighborsOf, StayWhereTheyAnswerWhateverAStrangerSays) {
  send(0);
  gateway_.receive(kCore, answer());
  gateway_.sent(kCore);
  for (unsigned second = 1; second <= 40; ++second) {
    pass_ms(1'000);
    gateway_.receive(kCore, announcement(kStrangerMac));
    gateway_.receive(kCore, answer(kStrangerMac));  // nobody has asked him
    for (const Bytes& frame : gateway_.sent(kCore)) {
      ASSERT_EQ(frame, question(kBackendMac)) << "the stranger gets nothing, and everybody is not asked";
    }
    gateway_.receive(kCore, answer());
    send(second);
    ASSERT_EQ(gateway_.sent(kCore), Frames{forwarded(second)}) << "second " << second;
  }
  const auto notices = take_notices();
  EXPECT_FALSE(notices.empty());
  for (const Notice& notice : notices) EXPECT_EQ(notice.kind, NoticeKind::kNeighborContested);
}

TEST_P(NeighborsOf, AskLittleHoweverManyClaimsThereAre) {
  send(0);
  gateway_.receive(kCore, answer());
  gateway_.sent(kCore);
  pass_ms(5'000);
  size_t questions = 0;
  for (unsigned i = 0; i < 3'000; ++i) {
    gateway_.receive(kCore, announcement(kStrangerMac));
    if (i % 10 == 0) pass_ms(100);
    const size_t asked = gateway_.sent(kCore).size();
    if (asked != 0) gateway_.receive(kCore, answer());
    questions += asked;
  }
  EXPECT_LE(questions, 32u) << "in 30 s";
  EXPECT_GE(questions, 15u);
}

TEST_P(NeighborsOf, TakeNoUnaskedAnswerForAConfirmation) {
  send(0);
  gateway_.receive(kCore, answer());
  pass_ms(20'000);
  gateway_.receive(kCore, answer());  // 20 s late
  send(1);
  pass_ms(10'500);
  EXPECT_EQ(state(), NeighborState::kStale) << "30 s after the last answer that was asked for";
}

TEST_P(NeighborsOf, PreferWhoeverAnswersToWhoeverSpokeFirst) {
  send(0);
  gateway_.receive(kCore, announcement(kStrangerMac));
  gateway_.receive(kCore, answer());  // the question to everybody is still open
  gateway_.sent(kCore);
  send(1);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(1)});
  EXPECT_EQ(state(), NeighborState::kReachable);
}

TEST_P(NeighborsOf, KeepKnownNeighborsUnderAFloodOfUnknownOnes) {
  auto protecting = tables();
  const std::vector<IpAddress> backends = {*IpAddress::parse(GetParam().backend)};
  protecting->next_hop_addresses = std::make_shared<const AddressSet>(backends);
  gateway_.publish(protecting);
  send(0);
  gateway_.receive(kCore, answer());
  gateway_.sent(kCore);
  Worker& worker = gateway_.worker();
  const uint32_t version = worker.neighbors.version();
  for (unsigned i = 0; i < 20'000; ++i) {
    rte_mbuf* const packet = rte_pktmbuf_alloc(worker.pool);
    ASSERT_NE(packet, nullptr);
    *reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, 40)) = v4() ? 0x45 : 0x60;
    std::array<uint8_t, 16> bytes{0xfd, 0x20};
    store(bytes.data() + 8, byte_swap(uint64_t{i} + 0x1000));
    worker.neighbors.send(*worker.tables, kCore, IpAddress::v6(bytes.data()), packet, worker.now_ms,
                          worker.transmit);
    worker.transmit.flush();
    worker.drops.free_pending();
    gateway_.sent(kCore);
  }
  EXPECT_LE(worker.neighbors.size(), kMaxNeighbors / 16 + 1);
  EXPECT_EQ(worker.neighbors.version(), version) << "what is kept of others stays good";
  send(1);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(1)});
}

TEST_P(NeighborsOf, BelieveTheConfiguration) {
  send(0);
  gateway_.sent(kCore);
  auto with_static = tables();
  with_static->neighbors = {{kCore, *IpAddress::parse(GetParam().backend), *MacAddress::parse(kBackendMac)}};
  gateway_.publish(with_static);
  gateway_.poll();
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(0)}) << "what waited goes";
  gateway_.receive(kCore, announcement(kStrangerMac));
  gateway_.receive(kCore, answer(kStrangerMac));
  send(1);
  EXPECT_EQ(gateway_.sent(kCore), Frames{forwarded(1)});
  gateway_.publish(tables());
  EXPECT_EQ(state(), NeighborState::kFree);
  for (int i = 0; i < 300; ++i) {  // more often than its rounds have numbers
    gateway_.publish(with_static);
    EXPECT_EQ(state(), NeighborState::kStatic);
    if (i % 2 == 0) continue;
    gateway_.publish(tables());
    EXPECT_EQ(state(), NeighborState::kFree);
  }
}

TEST(Neighbors, AreLearntByEveryWorker) {
  const Family& family = test::kIpv4;
  auto tables = test::make_tables({{.address = family.vip,
                                    .first_port = 53,
                                    .last_port = 53,
                                    .protocol = IpProtocol::kUdp,
                                    .forward = lb::ForwardMode::kDirect,
                                    .backends = {{family.backend}}}});
  tables->neighbors.clear();
  test::TestGateway gateway(tables, {.rx_workers = 3});
  const auto packet = ip(family.client, family.vip).udp(1024, 53).payload("ask");
  gateway.receive(kEdge, ethernet({test::kRouterMac, kEdgeMac}, packet), 2);
  gateway.sent(kCore);
  const Bytes reply = test::arp(2, kBackendMac, family.backend, kCoreMac, family.core);
  gateway.receive(kCore, ethernet({kBackendMac, kCoreMac}, reply, 0x0806), 0);
  EXPECT_EQ(gateway.sent(kCore), Frames{ethernet({kCoreMac, kBackendMac}, packet)});
}

TEST(Neighbors, AreCopiedToOtherWorkersWithinABudget) {
  auto tables = test::make_tables({});
  const std::vector<IpAddress> backends = {*IpAddress::parse(test::kIpv4.backend)};
  tables->next_hop_addresses = std::make_shared<const AddressSet>(backends);
  test::TestGateway gateway(tables, {.rx_workers = 2});
  const auto request = [](const char* from) {
    return ethernet({kStrangerMac, kBroadcast}, test::arp(1, kStrangerMac, from, kNoMac, "10.20.0.99"),
                    0x0806);
  };
  const uint32_t burst = WorkerLimits{}.neighbor_copies.burst;
  for (uint32_t i = 0; i < burst + 100; ++i) gateway.receive(kCore, request("10.20.0.98"));
  EXPECT_EQ(gateway.consumed(), 2 * burst + 100) << "each is read here, and a burst of copies there";
  EXPECT_EQ(gateway.worker(0).stats.neighbor_copies_withheld.read(), 100u);
  gateway.receive(kCore, request(test::kIpv4.backend));
  EXPECT_EQ(gateway.consumed(), 2 * burst + 102) << "what is said of backends has a budget of its own";
  gateway.advance_ms(10);
  gateway.receive(kCore, request("10.20.0.98"));
  EXPECT_EQ(gateway.consumed(), 2 * burst + 104);
}

}  // namespace
}  // namespace sluice::dataplane
