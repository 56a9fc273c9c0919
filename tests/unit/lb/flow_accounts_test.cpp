#include "lb/flow_accounts.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "lb/handshake_watch.h"
#include "tests/unit/lb/balancer_test.h"

namespace sluice::lb {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr FlowShares kAllForTheLog{FlowShare::of(1), FlowShare::of(0)};

class FlowAccountsTest : public BalancerTest {
 protected:
  FlowAccountsTest() {
    world.set_service({.forward = ForwardMode::kDnat});
    world.balancer->watch(watch);
    go_on(0);
  }

  void open(const FlowShares& shares = kAllForTheLog) {
    accounts.open(lane, shares);
    world.balancer->account_in(&accounts);
  }
  /// Both clocks of the worker.
  void go_on(uint32_t milliseconds) {
    world.now_ms += milliseconds;
    now_ns += milliseconds * kMillisecond;
    accounts.set_time(now_ns, world.now_ms);
    watch.set_time(now_ns);
  }
  std::vector<FlowRecord> told() {
    std::vector<FlowRecord> all;
    for (FlowRecord record; lane.ring.pop({&record, 1}) == 1;) all.push_back(record);
    return all;
  }
  FlowRecord only() {
    const auto all = told();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? FlowRecord{} : all.front();
  }

  std::vector<FlowAccount> account_memory = std::vector<FlowAccount>(64);
  std::vector<FlowCounts> told_memory = std::vector<FlowCounts>(64);
  FlowAccounts accounts{account_memory, told_memory};
  FlowLane lane;
  std::vector<PendingHandshake> pending{64};
  std::vector<uint32_t> places = std::vector<uint32_t>(64);
  std::vector<PendingResponse> responses{64};
  std::vector<HandshakeTimes> times{4};
  std::vector<AnswerTime> answer_times{4};
  HandshakeWatch watch{{pending, places, responses, times, answer_times}};
  uint64_t now_ns = 5'000'000'000'000;
};

TEST_F(FlowAccountsTest, AFlowThatEndsHasWhatBothDirectionsSent) {
  open();
  const uint64_t begun = now_ns;
  const Decision first = world.send(client(1), kSyn, 74);
  const FlowKey reply = reply_of(first);
  go_on(3);
  world.send(reply, kSyn | kAck, 66);
  go_on(1);
  world.send(client(1), kAck, 60);
  world.send(client(1), kAck, 500, true);
  world.send(reply, kAck, 1514);
  go_on(20);
  world.send(reply, kAck | kFin, 60);
  world.send(client(1), kAck | kFin, 60);
  const uint64_t last = now_ns;
  go_on(400'000);
  world.expire_all();

  const FlowRecord record = only();
  EXPECT_EQ(record.key, client(1));
  EXPECT_EQ(record.service, World::kService);
  EXPECT_EQ(record.backend, first.backend);
  EXPECT_EQ(record.counts.packets_in, 4u);
  EXPECT_EQ(record.counts.bytes_in, 74u + 60 + 500 + 60);
  EXPECT_EQ(record.counts.packets_out, 3u);
  EXPECT_EQ(record.counts.bytes_out, 66u + 1514 + 60);
  EXPECT_EQ(record.begin_ns, begun);
  EXPECT_EQ(record.end_ns, last) << "its last packet, not when its entry left";
  EXPECT_EQ(record.handshake_us, 3000u);
  EXPECT_EQ(record.end, FlowEnd::kFin);
  EXPECT_TRUE(record.is_for(FlowReader::kLog));
  EXPECT_FALSE(record.is_for(FlowReader::kTraces));
}

TEST_F(FlowAccountsTest, EachEndHasItsReason) {
  open();
  const auto end_of = [&](FlowEnd expected, auto make_it_end) {
    world.set_backends({.except = kNoBackend, .count = 4});
    const Decision begun = world.establish(client(1));
    make_it_end(begun);
    world.expire_all();
    EXPECT_EQ(only().end, expected);
    world.forget_all();
    told();
  };
  end_of(FlowEnd::kReset, [&](const Decision&) {
    world.send(client(1), kRst);
    go_on(400'000);
  });
  end_of(FlowEnd::kIdle, [&](const Decision&) { go_on(400'000); });
  end_of(FlowEnd::kFlushed, [&](const Decision& flow) { world.backends[flow.backend] = {}; });
  end_of(FlowEnd::kRemoved, [&](const Decision& flow) { world.set_backends({.except = flow.backend}); });
  end_of(FlowEnd::kRemoved, [&](const Decision& flow) { world.balancer->end(*flow.flow); });
  end_of(FlowEnd::kMoved, [&](const Decision& flow) {
    world.backends[flow.backend].state = BackendState::kMaintenance;
    world.backends[flow.backend].keeps_flows = false;
  });
  world.set_backends({.except = kNoBackend, .count = 4});
  world.establish(client(1));
  world.forget_all();
  EXPECT_EQ(only().end, FlowEnd::kRemoved) << "with its service";
  const Decision last = world.establish(client(1));
  EXPECT_TRUE(accounts.try_to_end(world.balancer->flows(), *last.flow, FlowEnd::kShutdown));
  EXPECT_EQ(only().end, FlowEnd::kShutdown);
}

TEST_F(FlowAccountsTest, WhatFinHasClosedSaysSoWhateverTakesItAway) {
  open();
  const FlowKey reply = reply_of(world.establish(client(1)));
  world.send(reply, kAck | kFin);
  const Decision closed = world.send(client(1), kAck | kFin);
  EXPECT_TRUE(accounts.try_to_end(world.balancer->flows(), *closed.flow, FlowEnd::kShutdown));
  EXPECT_EQ(only().end, FlowEnd::kFin);
  world.send(client(1), kSyn);  // another one, from the same port
  EXPECT_EQ(only().end, FlowEnd::kFin);
  world.forget_all();
  EXPECT_EQ(only().end, FlowEnd::kRemoved);
}

TEST_F(FlowAccountsTest, WhoGivesWayIsToldOfAndNobodyTwice) {
  world.set_service({.forward = ForwardMode::kFullNat});
  open();
  constexpr unsigned kFlows = 500;
  for (unsigned i = 1; i <= kFlows; ++i) {
    world.send(client(i), kSyn);
    go_on(1);
  }
  std::set<uint16_t> ports;
  unsigned evicted = 0;
  for (const FlowRecord& record : told()) {
    EXPECT_TRUE(ports.insert(record.key.source_port.host()).second);
    EXPECT_EQ(record.end, FlowEnd::kEvicted);
    EXPECT_EQ(record.counts.packets_in, 1u);
    ++evicted;
  }
  EXPECT_GT(evicted, 400u);
  EXPECT_EQ(evicted + world.active_total(), world.services_counters[World::kService].flows.read());
}

TEST_F(FlowAccountsTest, WhatFindsNoRoomIsCountedForWhomItWasMeant) {
  open();
  constexpr uint64_t kFlows = FlowLane::kRecords + 1000;
  for (uint64_t i = 0; i < kFlows; ++i) {
    world.balancer->end(*world.send(client(1), kSyn).flow);
  }
  EXPECT_EQ(lane.pushed.load(), FlowLane::kRecords);
  EXPECT_EQ(lane.lost[static_cast<size_t>(FlowReader::kLog)].read(), 1000u);
  EXPECT_EQ(lane.lost[static_cast<size_t>(FlowReader::kTraces)].read(), 0u);
}

TEST_F(FlowAccountsTest, ALongFlowIsToldOfEveryFiveMinutesAndAtItsEndAsAWhole) {
  open();
  const FlowKey reply = reply_of(world.establish(client(1)));
  const uint64_t begun = now_ns;
  for (unsigned minute = 1; minute <= 11; ++minute) {
    go_on(60'000);
    world.send(client(1), kAck, 100);
    world.send(reply, kAck, 1000);
    world.expire_all();
    world.expire_all();
  }
  const auto active = told();
  ASSERT_EQ(active.size(), 2u);
  for (const FlowRecord& record : active) EXPECT_EQ(record.end, FlowEnd::kActive);
  EXPECT_EQ(active[0].counts.packets_in, 2u + 5);
  EXPECT_EQ(active[0].told.packets_in, 0u);
  EXPECT_EQ(active[1].counts.packets_in, 2u + 10);
  EXPECT_EQ(active[1].told.packets_in, 2u + 5);
  EXPECT_EQ(active[1].told.bytes_out, active[0].counts.bytes_out);
  world.send(client(1), kRst, 60);
  world.forget_all();
  const FlowRecord last = only();
  EXPECT_EQ(last.end, FlowEnd::kReset);
  EXPECT_EQ(last.begin_ns, begun);
  EXPECT_EQ(last.counts.packets_in, 2u + 11 + 1);
  EXPECT_EQ(last.told.packets_in, 2u + 10);
}

TEST_F(FlowAccountsTest, AFlowThatLivedBeforeIsCountedFromThenOn) {
  world.establish(client(1));
  world.establish(client(2));
  EXPECT_TRUE(told().empty());
  go_on(1000);
  open();
  world.send(client(1), kAck, 100);
  const uint64_t counted_since = now_ns;
  go_on(1000);
  world.send(client(1), kAck, 100);
  world.forget_all();
  const auto records = told();
  ASSERT_EQ(records.size(), 2u);
  for (const FlowRecord& record : records) {
    const bool is_first = record.key == client(1);
    EXPECT_EQ(record.counts.packets_in, is_first ? 2u : 0u);
    EXPECT_EQ(record.handshake_us, FlowRecord::kNoHandshake);
    EXPECT_EQ(record.begin_ns, is_first ? counted_since : record.end_ns);
  }
  // Off and on again: nothing of before counts.
  world.establish(client(3));
  accounts.close();
  world.balancer->account_in(nullptr);
  world.send(client(3), kAck);
  open();
  world.send(client(3), kAck, 70);
  world.forget_all();
  EXPECT_EQ(only().counts.bytes_in, 70u);
}

TEST_F(FlowAccountsTest, AShareIsAlwaysTheSameFlows) {
  const auto ports_of = [&](uint64_t seed) {
    world.seed = seed;
    world.restart();
    open({FlowShare::of(0.25), FlowShare::of(0.5)});
    for (unsigned i = 1; i <= 4000; ++i) world.balancer->end(*world.send(client(i), kSyn).flow);
    std::set<uint16_t> log, traces;
    for (const FlowRecord& record : told()) {
      if (record.is_for(FlowReader::kLog)) log.insert(record.key.source_port.host());
      if (record.is_for(FlowReader::kTraces)) traces.insert(record.key.source_port.host());
    }
    EXPECT_NEAR(static_cast<double>(log.size()), 1000, 120);
    EXPECT_NEAR(static_cast<double>(traces.size()), 2000, 120);
    return std::pair(log, traces);
  };
  EXPECT_EQ(ports_of(1), ports_of(2));
}

}  // namespace
}  // namespace sluice::lb
