// Ports of full-nat are taken least recently used first for each backend, and those taken again before the
// backend has forgotten them are counted.
#include "lb/port_use.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/unit/lb/world.h"

namespace sluice::lb {
namespace {

constexpr uint8_t kSyn = TcpHeader::kSyn, kAck = TcpHeader::kAck, kFin = TcpHeader::kFin;

TEST(RecentPorts, RemembersForAMinute) {
  RecentPorts recent(64);
  recent.note_end(1, 1000);
  EXPECT_EQ(recent.find(1, 1000)->ms_ago, 0u);
  EXPECT_EQ(recent.find(1, 60'999)->ms_ago, 59'999u);
  EXPECT_FALSE(recent.find(1, 61'000));
  EXPECT_FALSE(recent.find(uint64_t{2} << 32 | 1, 1000));
  recent.note_end(1, 5000, 77);
  EXPECT_EQ(recent.find(1, 61'000)->ms_ago, 56'000u);
  recent.note_end(1, 6000);
  EXPECT_EQ(recent.find(1, 6000)->next_sequence, 77u);
  recent.forget(1);
  EXPECT_FALSE(recent.find(1, 5000));
  recent.note_end(1, 7000);
  EXPECT_EQ(recent.find(1, 7000)->next_sequence, 0u);
}

TEST(RecentPorts, KnowsWhatATwinKnowsWhileThereIsRoomAndNeverMore) {
  std::mt19937_64 random(1);
  RecentPorts recent(8192);
  std::map<uint64_t, uint32_t> twin;
  uint32_t now_ms = UINT32_MAX - 50'000;  // soon to wrap
  std::vector<uint64_t> hashes(1024);
  for (uint64_t& hash : hashes) hash = random();
  for (int step = 0; step < 50'000; ++step) {
    now_ms += static_cast<uint32_t>(random() % 100);
    const uint64_t hash = hashes[random() % hashes.size()];
    const auto known = twin.find(hash);
    const bool is_recent = known != twin.end() && now_ms - known->second < RecentPorts::kTimeWaitMs;
    const auto found = recent.find(hash, now_ms);
    ASSERT_EQ(found.has_value(), is_recent);
    if (is_recent) {
      ASSERT_EQ(found->ms_ago, now_ms - known->second);
    }
    if (random() % 4 == 0) {
      recent.forget(hash);
      twin.erase(hash);
    } else {
      recent.note_end(hash, now_ms);
      twin[hash] = now_ms;
    }
  }
}

TEST(RecentPorts, ForgetsWhatEndedFirst) {
  RecentPorts recent(1);
  for (uint64_t i = 1; i <= 6; ++i) recent.note_end(i << 32, static_cast<uint32_t>(100 * i));
  EXPECT_FALSE(recent.find(uint64_t{1} << 32, 1000));
  for (uint64_t i = 2; i <= 6; ++i) EXPECT_TRUE(recent.find(i << 32, 1000)) << i;
}

/// One client after another, each with a connection of its own through full-nat.
class Connections : public testing::Test {
 protected:
  static constexpr unsigned kPorts = 20;

  Connections() {
    world.ports = {2000, 2000 + kPorts - 1};
    world.set_service({.forward = ForwardMode::kFullNat});
    world.restart();
  }

  /// The port towards the backend.
  unsigned connect() {
    last = flow_key("192.0.2.7", next_client++, "203.0.113.10", 80);
    const Decision begun = world.send(last, kSyn);
    if (begun.outcome != Outcome::kPicked) return 0;
    backend = begun.backend;
    reply = world.reply_of(begun);
    world.send(reply, kSyn | kAck);
    world.send(last, kAck);
    return reply.destination_port.host();
  }
  /// Both sides close the last one, and its entry goes.
  void close() {
    world.send(reply, kFin | kAck);
    world.send(last, kFin | kAck);
    world.now_ms += 11'000;
    world.expire_all();
  }
  uint64_t reused() const { return world.balancer->ports_reused(); }

  World world{{.backends = 1, .entries = 1024}};
  unsigned next_client = 1024;
  FlowKey last, reply;
  BackendId backend = kNoBackend;
};

TEST_F(Connections, EveryPortHasItsTurnBeforeOneIsUsedAgain) {
  std::set<unsigned> ports;
  for (unsigned i = 0; i < kPorts; ++i) {
    ports.insert(connect());
    close();
    world.now_ms -= 11'000;
  }
  EXPECT_EQ(ports.size(), kPorts);
  EXPECT_EQ(reused(), 0u);
}

TEST_F(Connections, WhatEndedFirstIsUsedAgainFirstAndCounted) {
  std::vector<unsigned> order;
  for (unsigned i = 0; i < kPorts; ++i) {
    order.push_back(connect());
    close();
    world.now_ms -= 10'900;
  }
  for (unsigned i = 0; i < kPorts; ++i) {
    EXPECT_EQ(connect(), order[i]);
    EXPECT_EQ(reused(), i + 1);
    close();
    world.now_ms -= 10'900;
  }
  world.now_ms += 60'000;
  connect();
  EXPECT_EQ(reused(), kPorts);
}

TEST_F(Connections, ALongConnectionsPortIsPassedOverOnceItHasEnded) {
  const unsigned long_lived = connect();
  const FlowKey its_client = last, its_reply = reply;
  for (unsigned i = 1; i < kPorts; ++i) {
    connect();
    close();
    world.now_ms += 60'000;
  }
  last = its_client;
  reply = its_reply;
  close();  // its turn is next, but the backend has just had it
  EXPECT_NE(connect(), long_lived);
  EXPECT_EQ(reused(), 0u);
}

TEST_F(Connections, AClosingConnectionsPortIsReusedTooSoon) {
  for (unsigned i = 0; i < kPorts; ++i) {
    connect();
    world.send(reply, kFin | kAck);
    world.send(last, kFin | kAck);
  }
  EXPECT_EQ(reused(), 0u);
  EXPECT_NE(connect(), 0u);
  EXPECT_EQ(reused(), 1u);
}

TEST_F(Connections, ASynFloodLeavesNothingToWaitFor) {
  for (unsigned i = 0; i < 100; ++i) {
    world.send(flow_key("192.0.2.9", next_client++, "203.0.113.10", 80), kSyn);
    world.now_ms += 31'000;
    world.expire_all();
  }
  EXPECT_EQ(reused(), 0u);
}

TEST(PortTurns, EachBackendHasItsOwn) {
  World world({.backends = 2, .entries = 1024});
  world.ports = {2000, 2019};
  world.set_service({.policy = Policy::kRandom, .forward = ForwardMode::kFullNat});
  world.restart();
  std::map<BackendId, std::set<unsigned>> ports;
  for (unsigned i = 0; ports[0].size() < 15 || ports[1].size() < 15; ++i) {
    const FlowKey key = flow_key("192.0.2.7", 1024 + i, "203.0.113.10", 80);
    const Decision begun = world.send(key, kSyn);
    if (begun.outcome != Outcome::kPicked) continue;
    auto& taken = ports[begun.backend];
    const unsigned port = begun.flow->translated_port.host();
    if (taken.size() == 20) continue;
    EXPECT_TRUE(taken.insert(port).second) << "used again before its turn";
    ASSERT_LT(i, 1000u);
  }
}

TEST(PortTurns, ExplainingTakesNone) {
  World world({.backends = 1, .entries = 64});
  world.set_service({.forward = ForwardMode::kFullNat});
  const FlowKey key = flow_key("192.0.2.7", 1024, "203.0.113.10", 80);
  const unsigned first = world.send(key, kSyn).flow->translated_port.host();
  for (int i = 0; i < 5; ++i) {
    world.balancer->explain(world.view(), flow_key("192.0.2.8", 7, "203.0.113.10", 80), world.now_ms);
  }
  const FlowKey next = flow_key("192.0.2.7", 1025, "203.0.113.10", 80);
  EXPECT_EQ(world.send(next, kSyn).flow->translated_port.host(), first + 1);
}

}  // namespace
}  // namespace sluice::lb
