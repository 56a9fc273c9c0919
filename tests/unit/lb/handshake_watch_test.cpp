#include "lb/handshake_watch.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/lb/world.h"

namespace sluice::lb {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint8_t kSyn = TcpHeader::kSyn, kSynAck = TcpHeader::kSyn | TcpHeader::kAck, kRst = TcpHeader::kRst,
                  kAck = TcpHeader::kAck;
using Kind = HandshakeEvent::Kind;

struct Watched {
  std::vector<PendingHandshake> pending{8};
  std::vector<uint32_t> places = std::vector<uint32_t>(8);
  std::vector<HandshakeTimes> services{4};
  std::vector<AnswerTime> backends{8};
  HandshakeWatch watch{{pending, places, services, backends}};

  /// The kinds of what was told, each with its backend.
  std::vector<std::pair<Kind, BackendId>> events() {
    std::array<HandshakeEvent, 64> taken;
    std::vector<std::pair<Kind, BackendId>> all;
    for (size_t count = watch.take(taken), i = 0; i < count; ++i) {
      all.emplace_back(taken[i].kind, taken[i].backend);
    }
    return all;
  }
  uint64_t counted(ServiceId service) const {
    HistogramReading reading{.bounds = HandshakeTimes::kBounds};
    services[service].add_to(reading);
    return reading.count;
  }
};

TEST(HandshakeWatch, TimesAnAnswerAndRemembersPeaks) {
  Watched watched;
  HandshakeWatch& watch = watched.watch;
  watch.set_time(1000 * kMs);
  watch.begin(3, 2, true);
  watch.set_time(1005 * kMs);
  watch.answer(3, 1, 2);
  const AnswerTime& time = watch.answer_time_of(2);
  EXPECT_EQ(time.ewma_ns.load(), 5 * kMs);
  EXPECT_EQ(watched.counted(1), 1u);
  HistogramReading reading{.bounds = HandshakeTimes::kBounds};
  watch.times_of(1).add_to(reading);
  EXPECT_EQ(reading.sum, 5 * kMs);
  EXPECT_EQ(reading.buckets[8], 1u);  // up to 8 ms, above 4 ms
  // A second later a fast one counts only as much as the time between allows.
  watch.begin(4, 2, true);
  watch.set_time(1006 * kMs);
  watch.begin(5, 2, true);
  watch.answer(4, 1, 2);
  EXPECT_GT(time.ewma_ns.load(), 4 * kMs);
  watch.set_time(1106 * kMs);
  watch.answer(5, 1, 2);
  EXPECT_EQ(time.ewma_ns.load(), 100 * kMs);  // a peak counts at once
  EXPECT_NEAR(time.faded(1106 * kMs + static_cast<uint64_t>(AnswerTime::kFadeNs)), 100 * kMs / M_E, kMs);
  EXPECT_TRUE(watched.events().empty());  // nobody failed
}

TEST(HandshakeWatch, ASynFailsOnceAfterThreeSeconds) {
  Watched watched;
  HandshakeWatch& watch = watched.watch;
  watch.set_time(kMs);
  watch.begin(3, 2, true);
  watch.begin(4, 5, false);
  watch.set_time(3000 * kMs);
  EXPECT_FALSE(watch.fail_overdue());
  watch.set_time(3001 * kMs);
  EXPECT_TRUE(watch.fail_overdue());
  EXPECT_TRUE(watch.fail_overdue());
  EXPECT_FALSE(watch.fail_overdue());
  watch.fail(3, Kind::kReset);  // too late: it has failed
  EXPECT_EQ(watched.events(), (std::vector<std::pair<Kind, BackendId>>{{Kind::kUnanswered, 2}}));
  EXPECT_EQ(watch.answer_time_of(5).ewma_ns.load(), HandshakeWatch::kPatienceNs);
  watch.begin(6, 2, true);
  watch.answer(6, 1, 2);
  EXPECT_EQ(watched.events(), (std::vector<std::pair<Kind, BackendId>>{{Kind::kAnswered, 2}}));
  watch.begin(6, 2, true);
  watch.answer(6, 1, 2);
  EXPECT_TRUE(watched.events().empty());  // an answer is told once
}

TEST(HandshakeWatch, WhatThereIsNoRoomForIsNotWatched) {
  Watched watched;
  for (FlowIndex flow = 0; flow < 20; ++flow) watched.watch.begin(flow, 1, true);
  for (FlowIndex flow = 8; flow < 20; ++flow) watched.watch.fail(flow, Kind::kReset);
  EXPECT_TRUE(watched.events().empty());
  watched.watch.forget(0);
  watched.watch.fail(7, Kind::kReset);
  EXPECT_EQ(watched.events().size(), 1u);
  watched.watch.set_time(HandshakeWatch::kPatienceNs);
  unsigned overdue = 0;
  while (watched.watch.fail_overdue()) ++overdue;
  EXPECT_EQ(overdue, 6u);
  watched.watch.begin(99, 1, true);
  watched.watch.fail(99, Kind::kReset);
  EXPECT_EQ(watched.events().size(), 7u);
}

/// Under the balancer, where packets say what becomes of handshakes.
class WatchedFlows : public testing::Test {
 protected:
  WatchedFlows() {
    world.set_service({.forward = ForwardMode::kFullNat});
    for (Service& service : world.services) service.watches_failures = true;
    world.balancer->watch(watched.watch);
    pass(0);
  }
  void pass(uint64_t milliseconds) {
    now_ns += milliseconds * kMs;
    world.balancer->expire_handshakes(world.view(), now_ns);
  }
  Decision open(unsigned port) { return world.send(flow_key("192.0.2.7", port, "203.0.113.10", 80), kSyn); }
  uint64_t open_flows() const {
    uint64_t sum = 0;
    for (const AnswerTime& time : watched.backends) sum += time.open_flows;
    return sum;
  }

  World world{{.backends = 3, .entries = 64}};
  Watched watched;
  uint64_t now_ns = kMs;
};

TEST_F(WatchedFlows, ASynAckAnswers) {
  const Decision flow = open(40000);
  pass(3);
  EXPECT_EQ(world.send(world.reply_of(flow), kSynAck).outcome, Outcome::kCached);
  EXPECT_EQ(watched.backends[flow.backend].ewma_ns.load(), 3 * kMs);
  EXPECT_EQ(watched.counted(World::kService), 1u);
  world.send(world.reply_of(flow), kSynAck);  // sent again
  EXPECT_EQ(watched.counted(World::kService), 1u);
  pass(4000);
  EXPECT_TRUE(watched.events().empty());
}

TEST_F(WatchedFlows, ARstAndSilenceFailOnceForEachConnection) {
  const Decision reset = open(40000), silent = open(40001), given_up = open(40002);
  world.send(world.reply_of(reset), kRst | kAck);
  world.send(world.reply_of(reset), kRst | kAck);
  world.send(flow_key("192.0.2.7", 40002, "203.0.113.10", 80), kRst);
  for (int again = 0; again < 3; ++again) {
    pass(1100);
    open(40001);  // the same SYN
  }
  pass(5000);
  const std::vector<std::pair<Kind, BackendId>> expected = {{Kind::kReset, reset.backend},
                                                            {Kind::kUnanswered, silent.backend}};
  EXPECT_EQ(watched.events(), expected);
  EXPECT_NE(given_up.backend, kNoBackend);
}

TEST_F(WatchedFlows, AnIcmpErrorFailsAHandshakeAndEachUdpPacket) {
  const Decision tcp = open(40000);
  world.balancer->note_unreachable(world.view(), world.entries[tcp.flow->peer]);
  world.balancer->note_unreachable(world.view(), world.entries[tcp.flow->peer]);
  EXPECT_EQ(watched.events(), (std::vector<std::pair<Kind, BackendId>>{{Kind::kUnreachable, tcp.backend}}));
  const Decision udp = world.send(flow_key("192.0.2.7", 5000, "203.0.113.10", 53, IpProtocol::kUdp));
  for (int i = 0; i < 2; ++i) world.balancer->note_unreachable(world.view(), *udp.flow);
  EXPECT_EQ(watched.events().size(), 2u);
  const Decision established = world.establish(flow_key("192.0.2.7", 40009, "203.0.113.10", 80));
  watched.events();  // it answered, after failures
  world.balancer->note_unreachable(world.view(), *established.flow);
  EXPECT_TRUE(watched.events().empty());
}

TEST_F(WatchedFlows, CountsFlowsUntilTheyHaveEnded) {
  const FlowKey key = flow_key("192.0.2.7", 40000, "203.0.113.10", 80);
  const Decision flow = world.establish(key);
  EXPECT_EQ(open_flows(), 1u);
  const FlowKey reply = world.reply_of(flow);
  world.send(key, TcpHeader::kFin | kAck);
  EXPECT_EQ(open_flows(), 1u);
  world.send(reply, TcpHeader::kFin | kAck);
  EXPECT_EQ(open_flows(), 0u);
  world.send(key, kAck, 64, true);  // data take it back
  EXPECT_EQ(open_flows(), 1u);
  world.send(key, kRst);
  EXPECT_EQ(open_flows(), 0u);
  world.forget_all();
  EXPECT_EQ(open_flows(), 0u);
  open(40003);
  EXPECT_EQ(open_flows(), 1u);
  world.forget_all();
  EXPECT_EQ(open_flows(), 0u);
}

}  // namespace
}  // namespace sluice::lb
