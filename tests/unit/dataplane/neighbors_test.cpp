// ARP and NDP as the links see them: frames into a gateway without threads, frames out. Both families.
#include "dataplane/neighbor/neighbors.h"

#include <gtest/gtest.h>

#include "tests/support/test_gateway.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using Frames = std::vector<Bytes>;
using test::ethernet;
using test::Family;
using test::ip;
using test::kCore;
using test::kCoreMac;
using test::kEdge;
using test::kEdgeMac;

constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";
constexpr const char* kNoMac = "00:00:00:00:00:00";
constexpr const char* kBackendMac = "02:00:00:00:00:77";
constexpr const char* kNewMac = "02:00:00:00:00:78";
constexpr const char* kStrangerMac = "02:00:00:00:00:66";

Bytes link_option(uint8_t type, const char* mac) {
  Bytes option = {type, 1};
  test::append(option, test::mac_bytes(mac));
  return option;
}

/// The last 24 bits of both families' test addresses, as their solicited-node groups have them: the
/// addresses used here end in one 16-bit group.
std::string group_of(const std::string& address) {
  return "ff02::1:ff00:" + address.substr(address.find_last_of(':') + 1);
}
std::string group_mac_of(const std::string& address) {
  const std::string last = "00" + address.substr(address.find_last_of(':') + 1);
  return "33:33:ff:00:00:" + last.substr(last.size() - 2);
}

Bytes solicitation(const char* mac, const char* from, const std::string& to_mac, const std::string& to,
                   const char* target) {
  Bytes body = test::address_bytes(target);
  if (from != std::string("::")) test::append(body, link_option(1, mac));
  return ethernet({mac, to_mac}, ip(from, to).ttl(255).icmp(135, 0, 0).payload(body));
}

Bytes advertisement(const char* mac, const char* from, const std::string& to_mac, const std::string& to,
                    const char* target, uint32_t flags) {
  Bytes body = test::address_bytes(target);
  test::append(body, link_option(2, mac));
  return ethernet({mac, to_mac}, ip(from, to).ttl(255).icmp(136, 0, flags).payload(body));
}

class NeighborsOf : public testing::TestWithParam<Family> {
 protected:
  NeighborsOf() : tables_(tables()), gateway_(tables_) {}

  static std::shared_ptr<Tables> tables() {
    const Family& family = GetParam();
    auto tables = test::make_tables({{.address = family.vip,
                                      .first_port = 53,
                                      .last_port = 53,
                                      .protocol = IpProtocol::kUdp,
                                      .forward = lb::ForwardMode::kDirect,
                                      .backends = {{family.backend}}}});
    tables->neighbors.clear();
    return tables;
  }
  static bool v4() { return GetParam().header == 20; }

  static test::PacketBuilder packet(unsigned flow) {
    return ip(GetParam().client, GetParam().vip).udp(static_cast<uint16_t>(1024 + flow), 53).payload("ask");
  }
  void send(unsigned flow, unsigned worker = 0) {
    gateway_.receive(kEdge, ethernet({test::kRouterMac, kEdgeMac}, packet(flow)), worker);
  }
  static Bytes forwarded(unsigned flow, const char* mac = kBackendMac) {
    return ethernet({kCoreMac, mac}, packet(flow));
  }
  /// What the gateway asks about the backend: everybody, or only `mac`.
  static Bytes question(const char* mac = nullptr) {
    const Family& family = GetParam();
    if (v4()) {
      return ethernet({kCoreMac, mac ? mac : kBroadcast},
                      test::arp(1, kCoreMac, family.core, kNoMac, family.backend), 0x0806);
    }
    return solicitation(kCoreMac, family.core, mac ? mac : group_mac_of(family.backend),
                        mac ? family.backend : group_of(family.backend), family.backend);
  }
  static Bytes answer(const char* mac = kBackendMac) {
    const Family& family = GetParam();
    if (v4()) {
      return ethernet({mac, kCoreMac}, test::arp(2, mac, family.backend, kCoreMac, family.core), 0x0806);
    }
    return advertisement(mac, family.backend, kCoreMac, family.core, family.backend, 0x60000000);
  }
  /// Said to everybody, unasked: the backend is at `mac`.
  static Bytes announcement(const char* mac) {
    const Family& family = GetParam();
    if (v4()) {
      return ethernet({mac, kBroadcast}, test::arp(1, mac, family.backend, kNoMac, family.backend), 0x0806);
    }
    return advertisement(mac, family.backend, "33:33:00:00:00:01", "ff02::1", family.backend, 0x20000000);
  }

  /// Lets that much time go by, a tick at a time as the worker loop would.
  void pass_ms(uint32_t milliseconds) {
    for (uint32_t passed = 0; passed < milliseconds; passed += 100) {
      gateway_.advance_ms(100);
      gateway_.poll();
      for (unsigned i = 0; i < gateway_.workers(); ++i) {
        Worker& worker = gateway_.worker(i);
        worker.neighbors.tick(*worker.tables, worker.now_ms, worker.transmit);
      }
      gateway_.poll();
    }
  }
  std::vector<Notice> take_notices() {
    std::vector<Notice> notices(100);
    notices.resize(gateway_.notices().take(notices));
    return notices;
  }
  NeighborState state() {
    const auto known = gateway_.worker().neighbors.snapshot();
    return known.size() == 1 ? known.front().state : NeighborState::kFree;
  }
  uint64_t unresolved() const { return gateway_.dropped(DropReason::kNeighborUnresolved); }

  std::shared_ptr<Tables> tables_;
  test::TestGateway gateway_;
};

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
}

TEST_P(NeighborsOf, AnswerForPortsSnatAndVips) {
  const Family& family = GetParam();
  for (const char* ours : {family.edge, family.snat, family.vip}) {
    if (v4()) {
      gateway_.receive(kEdge, ethernet({test::kRouterMac, kBroadcast},
                                       test::arp(1, test::kRouterMac, family.router, kNoMac, ours), 0x0806));
      EXPECT_EQ(gateway_.sent(kEdge),
                Frames{ethernet({kEdgeMac, test::kRouterMac},
                                test::arp(2, kEdgeMac, ours, test::kRouterMac, family.router), 0x0806)})
          << ours;
    } else {
      gateway_.receive(
          kEdge, solicitation(test::kRouterMac, family.router, group_mac_of(ours), group_of(ours), ours));
      EXPECT_EQ(gateway_.sent(kEdge),
                Frames{advertisement(kEdgeMac, ours, test::kRouterMac, family.router, ours, 0x60000000)})
          << ours;
    }
  }
}

TEST_P(NeighborsOf, LeaveOthersToAnswerForThemselves) {
  const Family& family = GetParam();
  for (const char* theirs : {family.core, family.client, family.backend2}) {
    const Bytes asked =
        v4() ? ethernet({test::kRouterMac, kBroadcast},
                        test::arp(1, test::kRouterMac, family.router, kNoMac, theirs), 0x0806)
             : solicitation(test::kRouterMac, family.router, group_mac_of(theirs), group_of(theirs), theirs);
    gateway_.receive(kEdge, asked);
    EXPECT_TRUE(gateway_.sent(kEdge).empty()) << theirs;
  }
}

/// Somebody else says that he has one of our addresses.
Bytes claim_of(const Family& family, const char* address, const char* mac) {
  if (family.header == 20) {
    return ethernet({mac, kBroadcast}, test::arp(1, mac, address, kNoMac, address), 0x0806);
  }
  return advertisement(mac, address, "33:33:00:00:00:01", "ff02::1", address, 0x20000000);
}

TEST_P(NeighborsOf, DefendTheirAddressesOnceInTenSeconds) {
  const Family& family = GetParam();
  for (const char* ours : {family.edge, family.snat, family.vip}) {
    const Bytes defence = claim_of(family, ours, kEdgeMac);  // what an announcement of ours looks like
    gateway_.receive(kEdge, claim_of(family, ours, kStrangerMac));
    EXPECT_EQ(gateway_.sent(kEdge), Frames{defence}) << ours;
    for (unsigned i = 0; i < 5; ++i) {
      gateway_.advance_ms(1'900);
      gateway_.receive(kEdge, claim_of(family, ours, kStrangerMac));
      EXPECT_TRUE(gateway_.sent(kEdge).empty()) << ours;
    }
    gateway_.advance_ms(600);
    gateway_.receive(kEdge, claim_of(family, ours, kStrangerMac));
    EXPECT_EQ(gateway_.sent(kEdge), Frames{defence}) << ours;
    const auto notices = take_notices();
    ASSERT_EQ(notices.size(), 2u) << ours;
    EXPECT_EQ(notices[0].kind, NoticeKind::kAddressConflict);
    EXPECT_EQ(notices[0].port, kEdge);
    EXPECT_EQ(notices[0].address.to_string(), ours);
    EXPECT_EQ(notices[0].now.to_string(), kStrangerMac);
  }
  EXPECT_EQ(gateway_.notices().counted(NoticeKind::kAddressConflict, kEdge), 3u * 7);
  EXPECT_EQ(gateway_.notices().counted(NoticeKind::kAddressConflict, kCore), 0u);
}

TEST_P(NeighborsOf, TakeTheirOwnWordsForNoConflict) {
  const Family& family = GetParam();
  gateway_.receive(kEdge, claim_of(family, family.vip, kEdgeMac));
  gateway_.receive(kEdge, claim_of(family, family.vip, kCoreMac));  // both ports are on one link
  EXPECT_TRUE(gateway_.sent(kEdge).empty());
  EXPECT_TRUE(take_notices().empty());
}

TEST_P(NeighborsOf, AreDefendedByOneWorker) {
  const Family& family = GetParam();
  test::TestGateway gateway(tables(), {.rx_workers = 3});
  for (unsigned worker = 0; worker < 3; ++worker) {
    gateway.receive(kEdge, claim_of(family, family.vip, kStrangerMac), worker);
  }
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
}

TEST(Neighbors, TellWhoeverChecksForDuplicates) {
  test::TestGateway gateway(test::make_tables({}));
  gateway.receive(kEdge,
                  solicitation(kStrangerMac, "::", group_mac_of("fd10::1"), "ff02::1:ff00:1", "fd10::1"));
  EXPECT_EQ(gateway.sent(kEdge), Frames{advertisement(kEdgeMac, "fd10::1", "33:33:00:00:00:01", "ff02::1",
                                                      "fd10::1", 0x20000000)});
}

TEST(Neighbors, IgnoreSolicitationsThatARouterPassedOn) {
  test::TestGateway gateway(test::make_tables({}));
  Bytes body = test::address_bytes("fd10::1");
  test::append(body, link_option(1, test::kRouterMac));
  gateway.receive(kEdge, ethernet({test::kRouterMac, kEdgeMac},
                                  ip("fd10::fe", "fd10::1").ttl(254).icmp(135, 0, 0).payload(body)));
  EXPECT_TRUE(gateway.sent(kEdge).empty());
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
