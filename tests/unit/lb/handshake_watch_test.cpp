#include "lb/handshake_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>

#include "tests/unit/lb/world.h"

namespace sluice::lb {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint8_t kSyn = TcpHeader::kSyn, kSynAck = TcpHeader::kSyn | TcpHeader::kAck, kRst = TcpHeader::kRst,
                  kAck = TcpHeader::kAck;
using Kind = HandshakeEvent::Kind;

struct Watched {
  std::vector<PendingHandshake> pending{8};
  std::vector<uint32_t> marks = std::vector<uint32_t>(8);
  std::vector<PendingResponse> responses{8};
  std::vector<HandshakeTimes> services{4};
  std::vector<AnswerTime> backends{8};
  HandshakeWatch watch{{pending, marks, responses, services, backends}};

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
  const AverageTime& time = watch.answer_time_of(2).handshake;
  EXPECT_EQ(time.nanoseconds(), 5 * kMs);
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
  EXPECT_GT(time.nanoseconds(), 4 * kMs);
  watch.set_time(1106 * kMs);
  watch.answer(5, 1, 2);
  EXPECT_EQ(time.nanoseconds(), 100 * kMs);  // a peak counts at once
  EXPECT_NEAR(time.faded(1106 * kMs + static_cast<uint64_t>(AverageTime::kFadeNs)), 100 * kMs / M_E, kMs);
  EXPECT_TRUE(watched.events().empty());  // nobody failed
}

TEST(AverageTime, OneHiccupIsNotTakenForASlowBackendAndWhatHasLastedIs) {
  AverageTime time{};
  uint64_t now_ns = 1000 * kMs;
  const auto add = [&](uint64_t milliseconds) { time.add(now_ns += 10 * kMs, milliseconds * kMs); };
  for (int i = 0; i < 50; ++i) add(20);
  add(180);
  EXPECT_LE(time.nanoseconds(), 41 * kMs);
  for (int i = 0; i < 20; ++i) add(20);
  EXPECT_LE(time.nanoseconds(), 22 * kMs);
  for (int i = 0; i < 20; ++i) add(180);
  EXPECT_GE(time.nanoseconds(), 160 * kMs);
  now_ns += 20'000 * kMs;
  add(20);  // long after: what was before says little
  EXPECT_LE(time.nanoseconds(), 25 * kMs);
}

TEST(HandshakeWatch, ASynFailsOnceAfterThreeSeconds) {
  Watched watched;
  HandshakeWatch& watch = watched.watch;
  watch.set_time(kMs);
  watch.begin(3, 2, true);
  watch.begin(4, 5, false);
  watch.set_time(3000 * kMs);
  EXPECT_FALSE(watch.retire_oldest());
  watch.set_time(3001 * kMs);
  EXPECT_TRUE(watch.retire_oldest());
  EXPECT_TRUE(watch.retire_oldest());
  EXPECT_FALSE(watch.retire_oldest());
  watch.fail(3, Kind::kReset);  // too late: it has failed
  EXPECT_EQ(watched.events(), (std::vector<std::pair<Kind, BackendId>>{{Kind::kUnanswered, 2}}));
  EXPECT_EQ(watch.answer_time_of(5).handshake.nanoseconds(), HandshakeWatch::kPatienceNs);
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
  while (watched.watch.retire_oldest()) {
  }
  EXPECT_EQ(watched.events().size(), 6u);
  watched.watch.begin(99, 1, true);
  watched.watch.fail(99, Kind::kReset);
  EXPECT_EQ(watched.events().size(), 1u);
}

TEST(HandshakeWatch, OfTwoThatShareAPlaceTheLaterOneIsWatched) {
  Watched watched;
  HandshakeWatch& watch = watched.watch;
  watch.begin(3, 1, true);
  watch.begin(11, 2, true);
  watch.forget(3);  // which has no say in the other one
  watch.answer(3, 1, 1);
  EXPECT_EQ(watched.counted(1), 0u);
  watch.set_time(HandshakeWatch::kPatienceNs);
  while (watch.retire_oldest()) {
  }
  EXPECT_EQ(watched.events(), (std::vector<std::pair<Kind, BackendId>>{{Kind::kUnanswered, 2}}));
}

/// A queue of handshakes that says itself which are over: of flows that share no place.
TEST(HandshakeWatch, ManyThatBeginEndAndAreForgottenAreWhatAModelSays) {
  struct Handshake {
    FlowIndex flow;
    uint64_t began_ns;
    bool is_over;
  };
  Watched watched;
  HandshakeWatch& watch = watched.watch;
  std::minstd_rand chance(5);
  std::deque<Handshake> queue;
  uint64_t now = 1, timed = 0, failed = 0, seen = 0;
  const auto end = [&](FlowIndex flow) {
    const auto pending =
        std::ranges::find_if(queue, [&](const Handshake& one) { return one.flow == flow && !one.is_over; });
    if (pending == queue.end()) return 0;
    pending->is_over = true;
    return 1;
  };
  for (unsigned step = 0; step < 200'000; ++step) {
    now += chance() % 3 == 0 ? chance() % (500 * kMs) : 0;
    watch.set_time(now);
    for (; !queue.empty(); queue.pop_front()) {
      const bool is_overdue = now - queue.front().began_ns >= HandshakeWatch::kPatienceNs;
      if (!queue.front().is_over && !is_overdue) break;
      failed += !queue.front().is_over;
    }
    while (watch.retire_oldest()) {
    }
    const auto flow = static_cast<FlowIndex>(8 * 0x123456 + chance() % 8);
    switch (chance() % 4) {
      case 0:
        end(flow);
        watch.begin(flow, 1, true);
        if (queue.size() < watched.pending.size()) queue.push_back({flow, now, false});
        break;
      case 1:
        timed += end(flow);
        watch.answer(flow, 1, 1);
        break;
      case 2:
        end(flow);
        watch.forget(flow);
        break;
      default:
        failed += end(flow);
        watch.fail(flow, Kind::kReset);
    }
    for (const auto& [kind, backend] : watched.events()) seen += kind != Kind::kAnswered;
    ASSERT_EQ(watched.counted(1), timed) << step;
    ASSERT_EQ(seen, failed) << step;
  }
  EXPECT_GT(timed, 1000u);
  EXPECT_GT(failed, 1000u);
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
    world.balancer->expire_handshakes(now_ns);
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
  EXPECT_EQ(watched.backends[flow.backend].handshake.nanoseconds(), 3 * kMs);
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

TEST_F(WatchedFlows, ASynThatComesAgainAfterItsClientsRstIsWatchedAnew) {
  const Decision flow = open(40000);
  world.send(flow_key("192.0.2.7", 40000, "203.0.113.10", 80), kRst);
  EXPECT_EQ(open_flows(), 0u);
  pass(1000);
  open(40000);
  EXPECT_EQ(open_flows(), 1u);
  pass(2500);
  EXPECT_TRUE(watched.events().empty());
  pass(500);
  EXPECT_EQ(watched.events(), (std::vector<std::pair<Kind, BackendId>>{{Kind::kUnanswered, flow.backend}}));
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

/// Of a service whose policy goes by how long its backends take.
class TimedFlows : public WatchedFlows {
 protected:
  TimedFlows() {
    for (Service& service : world.services) service.policy = Policy::kLeastResponseTime;
  }
  uint64_t response_ms(BackendId backend) const {
    return watched.backends[backend].response.nanoseconds() / kMs;
  }
  static FlowKey client(unsigned port) { return flow_key("192.0.2.7", port, "203.0.113.10", 80); }
};

TEST_F(TimedFlows, TheFirstBytesAndTheirAnswerAreTimedAndNothingElse) {
  const Decision flow = world.establish(client(40000));
  const FlowEntry &request = *flow.flow, &reply = world.entries[request.peer];
  pass(100);
  world.send(client(40000), kAck);  // no bytes: nobody asks yet
  EXPECT_FALSE(request.is_settled);
  world.send(client(40000), kAck, 500, true);
  EXPECT_TRUE(request.is_settled);  // however much the client sends now, it goes the short way
  EXPECT_FALSE(reply.is_settled);
  pass(20);
  world.send(world.reply_of(flow), kAck);
  EXPECT_EQ(response_ms(flow.backend), 0u);
  pass(20);
  world.send(world.reply_of(flow), kAck, 500, true);
  EXPECT_EQ(response_ms(flow.backend), 40u);
  EXPECT_TRUE(request.is_settled && reply.is_settled);
  world.send(client(40000), kAck, 500, true);
  pass(1000);
  world.send(world.reply_of(flow), kAck, 500, true);
  EXPECT_EQ(response_ms(flow.backend), 40u);
}

TEST_F(TimedFlows, ABackendThatSpeaksFirstIsNotTimed) {
  const Decision flow = world.establish(client(40000));
  pass(50);
  world.send(world.reply_of(flow), kAck, 500, true);
  EXPECT_TRUE(flow.flow->is_settled && world.entries[flow.flow->peer].is_settled);
  world.send(client(40000), kAck, 500, true);
  pass(50);
  world.send(world.reply_of(flow), kAck, 500, true);
  EXPECT_FALSE(watched.backends[flow.backend].response.is_known());
}

TEST_F(TimedFlows, AResetInsteadOfAnAnswerIsAFailure) {
  const Decision flow = world.establish(client(40000));
  world.send(client(40000), kAck, 500, true);
  pass(2);
  world.send(world.reply_of(flow), kRst | kAck);
  EXPECT_GE(watched.backends[flow.backend].handshake.nanoseconds(), HandshakeWatch::kFailureNs);
  EXPECT_FALSE(watched.backends[flow.backend].response.is_known());
}

TEST_F(TimedFlows, WhatNobodyAnsweredIsNotTakenForTheNextFlowsQuestion) {
  const Decision silent = world.establish(client(40000));
  world.send(client(40000), kAck, 500, true);
  world.send(client(40000), kRst);
  world.forget_all();
  pass(5000);
  const Decision next = world.establish(client(40001));
  ASSERT_EQ(next.flow, silent.flow);  // the same entry
  world.send(world.reply_of(next), kAck, 500, true);
  for (BackendId id = 0; id < 3; ++id) EXPECT_FALSE(watched.backends[id].response.is_known());
}

TEST_F(TimedFlows, ADatagramIsAnsweredByTheFirstOneBack) {
  const FlowKey key = flow_key("192.0.2.7", 5000, "203.0.113.10", 53, IpProtocol::kUdp);
  const Decision flow = world.send(key);
  pass(7);
  world.send(key);
  pass(7);
  world.send(world.reply_of(flow));
  EXPECT_EQ(response_ms(flow.backend), 14u);
}

TEST_F(TimedFlows, OtherPoliciesTimeNothing) {
  for (Service& service : world.services) service.policy = Policy::kMaglev;
  const Decision flow = world.establish(client(40000));
  EXPECT_FALSE(flow.flow->is_timed || world.entries[flow.flow->peer].is_timed);
}

}  // namespace
}  // namespace sluice::lb
