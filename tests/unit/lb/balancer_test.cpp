#include "lb/balancer.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/lb/world.h"

namespace sluice::lb {
namespace {

constexpr uint8_t kSyn = TcpHeader::kSyn, kAck = TcpHeader::kAck, kFin = TcpHeader::kFin,
                  kRst = TcpHeader::kRst;

class BalancerTest : public testing::Test {
 protected:
  World world{{.backends = 4, .entries = 64}};

  FlowKey client(unsigned number, IpProtocol protocol = IpProtocol::kTcp) {
    return flow_key("192.0.2.7", number, "203.0.113.10", 80, protocol);
  }
  /// The key of the replies to a full-nat or dnat flow.
  FlowKey reply_of(const Decision& decision) { return world.balancer->flows().at(decision.flow->peer).key; }
};

TEST_F(BalancerTest, KnowsNoServiceButItsOwn) {
  EXPECT_EQ(world.send(flow_key("192.0.2.7", 1, "203.0.113.10", 81), kSyn).outcome, Outcome::kNoService);
  world.set_service({.pool = nullptr});
  EXPECT_EQ(world.send(client(1), kSyn).outcome, Outcome::kNoService);
  EXPECT_EQ(world.active_total(), 0u);
}

TEST_F(BalancerTest, PicksByHashAndThenRemembers) {
  const Decision first = world.send(client(1), kSyn);
  EXPECT_EQ(first.outcome, Outcome::kPicked);
  EXPECT_EQ(first.service, World::kService);
  EXPECT_EQ(first.backend, world.pool->slots()[first.slot]);
  EXPECT_FALSE(first.is_reply);
  ASSERT_NE(first.flow, nullptr);
  EXPECT_EQ(first.flow->state, FlowState::kEmbryonic);

  const Decision second = world.send(client(1), kAck);
  EXPECT_EQ(second.outcome, Outcome::kCached);
  EXPECT_EQ(second.backend, first.backend);
  EXPECT_EQ(second.flow, first.flow);
  EXPECT_EQ(second.flow->state, FlowState::kEstablished);
}

TEST_F(BalancerTest, DropsWithoutBackends) {
  world.set_backends({});
  const Decision decision = world.send(client(1), kSyn);
  EXPECT_EQ(decision.outcome, Outcome::kNoBackend);
  EXPECT_EQ(decision.service, World::kService);
  EXPECT_EQ(world.balancer->flows().size(), 0u);
}

TEST_F(BalancerTest, AdoptsAFlowItHasNotSeenBegin) {
  EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kEstablished);
  EXPECT_EQ(world.send(client(1, IpProtocol::kUdp)).outcome, Outcome::kNoService);
}

TEST_F(BalancerTest, CountsFlowsPacketsAndBytes) {
  const BackendId backend = world.send(client(1), kSyn, 60).backend;
  world.send(client(1), kAck, 1500);
  for (const TargetCounters* const target :
       {&world.services_counters[World::kService], &world.backend_counters[backend]}) {
    EXPECT_EQ(target->packets.read(), 2u);
    EXPECT_EQ(target->bytes.read(), 1560u);
    EXPECT_EQ(target->flows.read(), 1u);
    EXPECT_EQ(target->active_flows.read(), 1u);
  }
}

TEST_F(BalancerTest, CountsNothingForReplies) {
  world.set_service({.forward = ForwardMode::kDnat});
  const Decision first = world.send(client(1), kSyn);
  EXPECT_TRUE(world.send(reply_of(first), kSyn | kAck, 60).is_reply);
  EXPECT_EQ(world.services_counters[World::kService].packets.read(), 1u);
  EXPECT_EQ(world.active_total(), 1u) << "a flow, not a direction";
}

TEST_F(BalancerTest, TakesARepeatedSynForARetransmission) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  world.set_backends({.except = backend});  // the policy would choose another
  world.backends[backend] = world.all_backends[backend];
  EXPECT_EQ(world.send(client(1), kSyn).backend, backend);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(BalancerTest, BeginsAnewWithASynOnAnEstablishedFlow) {
  const Decision first = world.send(client(1), kSyn);
  const BackendId backend = first.backend;
  world.send(client(1), kAck);
  world.set_backends({.except = backend});
  world.backends[backend] = world.all_backends[backend];
  const Decision again = world.send(client(1), kSyn);
  EXPECT_EQ(again.outcome, Outcome::kPicked);
  EXPECT_NE(again.backend, backend);
  EXPECT_EQ(again.flow->state, FlowState::kEmbryonic);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(BalancerTest, BeginsAnewWithASynWhereTheBackendDrains) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  world.set_backends({.except = backend});
  world.backends[backend].state = BackendState::kDraining;
  world.backends[backend].keeps_flows = true;
  EXPECT_NE(world.send(client(1), kSyn).backend, backend);
}

TEST_F(BalancerTest, KeepsAFlowWithADrainingBackendAndMovesItFromAMissingOne) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  world.send(client(1), kAck);
  world.set_backends({.except = backend});
  world.backends[backend].state = BackendState::kDraining;
  world.backends[backend].keeps_flows = true;
  EXPECT_EQ(world.send(client(1), kAck).backend, backend);
  world.backends[backend].state = BackendState::kMaintenance;
  world.backends[backend].keeps_flows = false;
  const Decision moved = world.send(client(1), kAck);
  EXPECT_EQ(moved.outcome, Outcome::kPicked);
  EXPECT_NE(moved.backend, backend);
  EXPECT_EQ(world.backend_counters[backend].active_flows.read(), 0u);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(BalancerTest, ForgetsAFlowWhoseServiceIsGone) {
  world.send(client(1), kSyn);
  world.set_service({.pool = nullptr});
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kNoService);
  EXPECT_EQ(world.active_total(), 0u);
  EXPECT_EQ(world.balancer->flows().size(), 0u);
}

TEST_F(BalancerTest, ClosesOnRst) {
  world.send(client(1), kAck);
  EXPECT_EQ(world.send(client(1), kRst).flow->state, FlowState::kClosing);
  EXPECT_EQ(world.send(client(2), kRst).flow->state, FlowState::kClosing) << "of a flow not seen before";
}

TEST_F(BalancerTest, ClosesOnTheClientsFinWhereRepliesAreNotSeen) {
  world.send(client(1), kAck);
  EXPECT_EQ(world.send(client(1), kFin | kAck).flow->state, FlowState::kClosing);
}

TEST_F(BalancerTest, ClosesOnBothFinsWhereRepliesAreSeen) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const Decision first = world.send(client(1), kSyn);
  const FlowKey reply = reply_of(first);
  EXPECT_EQ(world.send(reply, kSyn | kAck).flow->state, FlowState::kEmbryonic)
      << "a backend's answer does not prove the client";
  EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kEstablished);
  EXPECT_EQ(world.send(client(1), kFin | kAck).flow->state, FlowState::kEstablished);
  EXPECT_EQ(world.send(client(1), kFin | kAck).flow->state, FlowState::kEstablished) << "the same again";
  const Decision last = world.send(reply, kFin | kAck);
  EXPECT_EQ(last.flow->state, FlowState::kClosing);
  EXPECT_EQ(world.balancer->flows().at(last.flow->peer).state, FlowState::kClosing);
}

TEST_F(BalancerTest, ClosesBothDirectionsOnABackendsRst) {
  world.set_service({.forward = ForwardMode::kDnat});
  const Decision first = world.send(client(1), kSyn);
  world.send(reply_of(first), kRst | kAck);
  EXPECT_EQ(first.flow->state, FlowState::kClosing);
}

TEST_F(BalancerTest, ForgetsEachStateAfterItsTime) {
  world.set_service({.idle_timeout_ms = 300'000});
  world.send(client(1), kSyn);
  world.send(client(2), kAck);
  world.send(client(3), kRst);
  const auto known = [&] {
    world.expire_all();
    std::set<unsigned> result;
    for (const FlowEntry& entry : world.entries) {
      if (entry.state != FlowState::kFree) result.insert(entry.key.source_port.host());
    }
    return result;
  };
  world.now_ms += 10'000;
  EXPECT_EQ(known(), (std::set<unsigned>{1, 2, 3}));
  world.now_ms += 1;
  EXPECT_EQ(known(), (std::set<unsigned>{1, 2}));
  world.now_ms += 20'000;
  EXPECT_EQ(known(), (std::set<unsigned>{2}));
  world.now_ms += 269'999;
  EXPECT_EQ(known(), (std::set<unsigned>{2}));
  world.now_ms += 1;
  EXPECT_EQ(known(), (std::set<unsigned>{}));
  EXPECT_EQ(world.active_total(), 0u);
}

TEST_F(BalancerTest, NoStateOutlivesTheServicesTimeout) {
  world.set_service({.idle_timeout_ms = 2000});
  world.send(client(1), kSyn);
  world.send(client(3), kRst);
  world.now_ms += 2001;
  world.expire_all();
  EXPECT_EQ(world.balancer->flows().size(), 0u);
}

TEST_F(BalancerTest, AnOldEntryIsNoFlowEvenBeforeItIsSwept) {
  const BackendId backend = world.send(client(1), kAck).backend;
  world.set_backends({.except = backend});
  world.backends[backend] = world.all_backends[backend];
  world.now_ms += world.services[World::kService].idle_timeout_ms + 1;
  const Decision late = world.send(client(1), kAck);
  EXPECT_EQ(late.outcome, Outcome::kPicked);
  EXPECT_NE(late.backend, backend);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(BalancerTest, EitherDirectionKeepsANatFlow) {
  world.set_service({.forward = ForwardMode::kFullNat, .idle_timeout_ms = 30'000});
  const FlowKey reply = reply_of(world.send(client(1), kAck));
  for (int i = 0; i < 5; ++i) {
    world.now_ms += 20'000;
    EXPECT_EQ(world.send(reply, kAck).outcome, Outcome::kCached);
    world.expire_all();
  }
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kCached);
}

TEST_F(BalancerTest, ExpiryForgetsFlowsOfMissingBackendsAndServices) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const BackendId backend = world.send(client(1), kAck).backend;
  world.backends[backend].keeps_flows = false;
  world.expire_all();
  EXPECT_EQ(world.backend_counters[backend].active_flows.read(), 0u);
  EXPECT_EQ(world.balancer->flows().size(), 0u);
  world.set_backends({});
  world.set_backends({.except = kNoBackend, .count = 4});
  world.send(client(1), kAck);
  world.set_service({.pool = nullptr});
  world.expire_all();
  EXPECT_EQ(world.services_counters[World::kService].active_flows.read(), 0u);
}

TEST_F(BalancerTest, ExpiryVisitsNoMoreThanItIsAsked) {
  for (unsigned i = 1; i <= 8; ++i) world.send(client(i), kAck);
  world.now_ms += 1'000'000;
  world.balancer->expire(world.view(), world.now_ms, 3);
  EXPECT_EQ(world.balancer->flows().size(), 5u);
}

TEST_F(BalancerTest, BeingFullIsCountedAndNoDrop) {
  for (unsigned i = 1; i <= 64; ++i) world.send(client(i), kAck);
  EXPECT_EQ(world.balancer->table_full(), 0u);
  const Decision decision = world.send(client(65), kAck);
  EXPECT_EQ(decision.outcome, Outcome::kPicked);
  EXPECT_EQ(decision.flow, nullptr);
  EXPECT_EQ(decision.backend, world.pool->slots()[decision.slot]);
  EXPECT_EQ(world.balancer->table_full(), 1u);
  EXPECT_EQ(world.active_total(), 64u);
  EXPECT_EQ(world.services_counters[World::kService].packets.read(), 65u);
}

TEST_F(BalancerTest, NatMakesRoomInAFullTable) {
  world.set_service({.forward = ForwardMode::kFullNat});
  for (unsigned i = 1; i <= 40; ++i, ++world.now_ms) {
    ASSERT_EQ(world.send(client(i), kAck).outcome, Outcome::kPicked);
  }
  EXPECT_EQ(world.balancer->flows().size(), 64u);
  EXPECT_EQ(world.active_total(), 32u);
  EXPECT_EQ(world.send(client(40), kAck).outcome, Outcome::kCached);
}

TEST_F(BalancerTest, FullNatRefusesWhereNoPortIsLeft) {
  world.set_service({.forward = ForwardMode::kFullNat});
  world.ports = {2000, 2001};
  world.restart();
  std::set<std::pair<BackendId, unsigned>> used;
  unsigned refused = 0;
  for (unsigned i = 1; i <= 20; ++i) {
    const Decision decision = world.send(client(i), kAck);
    if (decision.outcome == Outcome::kPortExhausted) {
      ++refused;
      EXPECT_EQ(decision.flow, nullptr);
    } else {
      EXPECT_TRUE(used.emplace(decision.backend, decision.flow->translated_port.host()).second);
    }
  }
  EXPECT_LE(used.size(), 8u);  // two ports towards each of four backends
  EXPECT_EQ(used.size() + refused, 20u);
  EXPECT_EQ(world.active_total(), used.size());
}

TEST_F(BalancerTest, FullNatsRepliesComeToItsAddressAndPort) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const Decision decision = world.send(client(1), kSyn);
  const FlowKey reply = reply_of(decision);
  EXPECT_EQ(reply.source, world.backends[decision.backend].address);
  EXPECT_EQ(reply.source_port, port(8080));
  EXPECT_EQ(reply.destination, world.snat[decision.flow->snat]);
  EXPECT_EQ(reply.destination_port, decision.flow->translated_port);
  const Decision back = world.send(reply, kSyn | kAck);
  EXPECT_EQ(back.outcome, Outcome::kCached);
  EXPECT_TRUE(back.is_reply);
  EXPECT_EQ(back.backend, decision.backend);
  EXPECT_EQ(back.service, World::kService);
  EXPECT_EQ(back.flow->translated_port, decision.flow->translated_port);
  EXPECT_EQ(world.balancer->flows().at(back.flow->peer).key, client(1));
}

TEST_F(BalancerTest, AnEmbryonicFlowGivesItsPortToANewcomer) {
  world.set_service({.forward = ForwardMode::kFullNat});
  world.set_backends({.except = kNoBackend, .count = 1});
  world.ports = {2000, 2000};
  world.restart();
  world.send(client(1), kSyn);
  EXPECT_EQ(world.send(client(2), kAck).outcome, Outcome::kPicked);
  EXPECT_EQ(world.active_total(), 1u);
  EXPECT_EQ(world.send(client(3), kAck).outcome, Outcome::kPortExhausted);
  EXPECT_EQ(world.send(client(2), kAck).outcome, Outcome::kCached);
}

TEST_F(BalancerTest, DnatRefusesAReplyThatItCouldNotTellApart) {
  world.set_service({.forward = ForwardMode::kDnat});
  world.set_backends({.except = kNoBackend, .count = 1});
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kPicked);
  const FlowKey other = flow_key("192.0.2.7", 1, "203.0.113.11", 80);
  EXPECT_EQ(world.send(other, kAck).outcome, Outcome::kPortExhausted);
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kCached);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(BalancerTest, NatPicksAnewWithoutItsOldReplies) {
  world.set_service({.forward = ForwardMode::kDnat});
  const Decision first = world.send(client(1), kAck);
  const FlowKey reply = reply_of(first);
  world.set_backends({.except = first.backend});
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kPicked);
  EXPECT_EQ(world.send(reply, kAck).outcome, Outcome::kNoService);
  EXPECT_EQ(world.balancer->flows().size(), 2u);
}

TEST_F(BalancerTest, WorksForIpv6) {
  world.use_ipv6();
  world.set_service({.forward = ForwardMode::kFullNat});
  const FlowKey key = flow_key("2001:db8::7", 1, "2001:db8:1::10", 80);
  const Decision decision = world.send(key, kSyn);
  ASSERT_EQ(decision.outcome, Outcome::kPicked);
  EXPECT_EQ(reply_of(decision).destination, address("fd20::1"));
  EXPECT_TRUE(world.send(reply_of(decision), kSyn | kAck).is_reply);
}

TEST_F(BalancerTest, ExplainsWithoutATrace) {
  for (const auto policy : {Policy::kMaglev, Policy::kWeightedRoundRobin, Policy::kRandom,
                            Policy::kTwoChoices, Policy::kLeastConnections}) {
    world.set_service({.policy = policy, .forward = ForwardMode::kFullNat});
    for (unsigned i = 100; i < 110; ++i) {
      const auto before = world.snapshot();
      const Decision told = world.balancer->explain(world.view(), client(i), world.now_ms);
      const Decision told_again = world.balancer->explain(world.view(), client(i), world.now_ms);
      EXPECT_EQ(world.snapshot(), before);
      EXPECT_EQ(told.outcome, Outcome::kPicked);
      EXPECT_EQ(told.flow, nullptr);
      const Decision done = world.send(client(i), kSyn);
      EXPECT_EQ(told.backend, done.backend);
      EXPECT_EQ(told_again.backend, done.backend);
      EXPECT_EQ(told.slot, done.slot);
      EXPECT_EQ(world.balancer->explain(world.view(), client(i), world.now_ms).outcome, Outcome::kCached);
      world.forget_all();
    }
  }
}

TEST_F(BalancerTest, ExplainsWhyNothingWouldGoThrough) {
  EXPECT_EQ(world.balancer->explain(world.view(), flow_key("192.0.2.7", 1, "203.0.113.99", 80), 0).outcome,
            Outcome::kNoService);
  world.set_service({.forward = ForwardMode::kFullNat});
  world.snat.clear();
  EXPECT_EQ(world.balancer->explain(world.view(), client(1), 0).outcome, Outcome::kPortExhausted);
  world.set_backends({});
  EXPECT_EQ(world.balancer->explain(world.view(), client(1), 0).outcome, Outcome::kNoBackend);
}

TEST_F(BalancerTest, FindsTheFlowOfAPacketQuotedFromEitherSide) {
  for (const auto forward : {ForwardMode::kFullNat, ForwardMode::kDnat}) {
    world.set_service({.forward = forward});
    const Decision begun = world.send(client(1), kSyn);
    const uint32_t seen = begun.flow->last_seen_ms;
    world.now_ms += 5;
    // A router behind the gateway quotes what went to the backend.
    const Decision to_backend = world.balancer->find_quoted(world.view(), reply_of(begun).reversed());
    EXPECT_EQ(to_backend.outcome, Outcome::kCached);
    EXPECT_TRUE(to_backend.is_reply);
    EXPECT_EQ(to_backend.flow->peer, world.balancer->flows().index_of(*begun.flow));
    // A router before it quotes what went to the client.
    const Decision to_client = world.balancer->find_quoted(world.view(), client(1).reversed());
    EXPECT_EQ(to_client.outcome, Outcome::kCached);
    EXPECT_FALSE(to_client.is_reply);
    EXPECT_EQ(to_client.flow, begun.flow);
    EXPECT_EQ(to_client.backend, begun.backend);
    EXPECT_EQ(begun.flow->last_seen_ms, seen);
    world.forget_all();
  }
}

TEST_F(BalancerTest, AnswersForAQuotedPacketOfNoKnownFlowByPolicyButForNat) {
  const FlowKey quoted = client(1).reversed();
  const Decision answer = world.balancer->find_quoted(world.view(), quoted);
  EXPECT_EQ(answer.outcome, Outcome::kPicked);
  EXPECT_EQ(answer.backend, world.send(client(1), kSyn).backend);
  world.forget_all();
  EXPECT_EQ(world.balancer->find_quoted(world.view(), client(1)).outcome, Outcome::kNoService);
  world.set_service({.policy = Policy::kRandom});
  EXPECT_EQ(world.balancer->find_quoted(world.view(), quoted).outcome, Outcome::kNoService);
  world.set_service({.forward = ForwardMode::kDnat});
  EXPECT_EQ(world.balancer->find_quoted(world.view(), quoted).outcome, Outcome::kNoService);
  world.set_service({});
  world.set_backends({});
  EXPECT_EQ(world.balancer->find_quoted(world.view(), quoted).outcome, Outcome::kNoBackend);
}

}  // namespace
}  // namespace sluice::lb
