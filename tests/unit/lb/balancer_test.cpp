#include "lb/balancer.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "tests/unit/lb/balancer_test.h"

namespace sluice::lb {
namespace {

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
  EXPECT_EQ(second.flow->state, FlowState::kHandshake);
}

/// Bursts of newcomers, to both services, over TCP and UDP, and to nobody, some twice, some not foreseen.
TEST_F(BalancerTest, DecidesAsItWouldWithoutHavingForeseen) {
  for (const ForwardMode forward : {ForwardMode::kDnat, ForwardMode::kFullNat, ForwardMode::kDirect}) {
    for (const Policy policy : {Policy::kMaglev, Policy::kSourceHash, Policy::kWeightedRoundRobin}) {
      World foreseeing{{.backends = 4, .entries = 64}}, other{{.backends = 4, .entries = 64}};
      for (World* const each : {&foreseeing, &other})
        each->set_service({.policy = policy, .forward = forward});
      unsigned number = 0;
      for (size_t size = 0; size <= Balancer::kMostForeseen; ++size) {
        std::vector<FlowKey> keys;
        for (size_t i = 0; i < size; ++i) {
          number += i % 7 != 0;
          const std::array destinations = {"203.0.113.10", "203.0.113.11", "203.0.113.12"};
          keys.push_back(i % 5 == 0
                             ? question(1 + number % 60'000)
                             : flow_key("192.0.2.7", 1 + number % 60'000, destinations[number % 3], 80));
        }
        std::vector<const FlowKey*> asked;
        for (const FlowKey& key : keys) asked.push_back(asked.size() % 11 != 3 ? &key : nullptr);
        std::vector<Foresight> foresights(size);
        foreseeing.balancer->foresee(foreseeing.view(), asked, foresights);
        for (size_t i = 0; i < size; ++i) {
          const uint8_t flags = keys[i].protocol == IpProtocol::kTcp ? kSyn : uint8_t{0};
          const Decision decision = foreseeing.send_foreseen(keys[i], foresights[i], flags);
          const Decision expected = other.send(keys[i], flags);
          ASSERT_EQ(decision.outcome, expected.outcome) << number;
          ASSERT_EQ(decision.service, expected.service) << number;
          ASSERT_EQ(decision.backend, expected.backend) << number;
          ASSERT_EQ(decision.slot, expected.slot) << number;
          ASSERT_EQ(decision.flow == nullptr, expected.flow == nullptr) << number;
        }
        ASSERT_EQ(foreseeing.snapshot(), other.snapshot()) << size;
      }
    }
  }
}

TEST_F(BalancerTest, DropsWithoutBackends) {
  world.set_backends({});
  const Decision decision = world.send(client(1), kSyn);
  EXPECT_EQ(decision.outcome, Outcome::kNoBackend);
  EXPECT_EQ(decision.service, World::kService);
  EXPECT_EQ(world.balancer->flows().size(), 0u);
}

TEST_F(BalancerTest, AdoptsAFlowItHasNotSeenBegin) {
  EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kStray);
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

TEST_F(BalancerTest, CountsRepliesApart) {
  world.set_service({.forward = ForwardMode::kDnat});
  const Decision first = world.send(client(1), kSyn);
  EXPECT_TRUE(world.send(reply_of(first), kSyn | kAck, 60).is_reply);
  EXPECT_EQ(world.services_counters[World::kService].packets.read(), 1u);
  EXPECT_EQ(world.answers[World::kService].packets.read(), 1u);
  EXPECT_EQ(world.answers[World::kService].bytes.read(), 60u);
  EXPECT_EQ(world.active_total(), 1u) << "a flow, not a direction";
  EXPECT_EQ(world.balancer->ports_in_use(), 0u) << "dnat takes none";
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
  for (const auto policy : {Policy::kMaglev, Policy::kWeightedRoundRobin}) {
    world.restart();
    world.set_service({.policy = policy});
    for (int round = 0; round < 2; ++round) {
      for (unsigned i = 1; i <= 64; ++i) world.send(client(i), kAck);
      world.now_ms += 1200;
    }
    EXPECT_EQ(world.balancer->table_full(), 0u);
    for (const uint8_t flags : {kSyn, kAck, kAck, kAck}) {
      const Decision decision = world.send(client(65), flags);
      EXPECT_EQ(decision.outcome, Outcome::kPicked);
      EXPECT_EQ(decision.flow, nullptr);
      ASSERT_LT(decision.slot, world.pool->slots().size()) << "whatever the policy";
      EXPECT_EQ(decision.backend, world.pool->slots()[decision.slot]);
    }
    EXPECT_EQ(world.balancer->table_full(), 4u);
    EXPECT_EQ(world.balancer->evicted().answered.read(), 0u);
    const Decision before = world.send(client(65), kAck);
    world.balancer->flows().erase(*world.send(client(1), kAck).flow);
    EXPECT_EQ(world.send(client(65), kAck).backend, before.backend) << "remembered at last";
  }
}

TEST_F(BalancerTest, CountsWhatGaveWay) {
  world.set_service({.forward = ForwardMode::kFullNat});
  for (unsigned i = 1; i <= 33; ++i) world.send(client(i), kSyn);
  EXPECT_EQ(world.balancer->evicted().unanswered.read(), 1u);
  EXPECT_EQ(world.balancer->table_full(), 1u) << "somebody should know";
  EXPECT_EQ(world.active_total(), 32u);
  world.forget_all();
  for (unsigned i = 1; i <= 32; ++i) world.establish(client(i));
  world.send(client(7), kRst);
  world.send(client(40), kSyn);
  EXPECT_EQ(world.balancer->evicted().closing.read(), 1u);
  world.establish(client(40));
  EXPECT_EQ(world.send(client(41), kAck).outcome, Outcome::kPortExhausted) << "nobody answered goes for it";
  EXPECT_EQ(world.balancer->evicted().answered.read(), 0u);
  EXPECT_EQ(world.send(client(41), kSyn).outcome, Outcome::kPicked);
  EXPECT_EQ(world.balancer->evicted().answered.read(), 1u);
  EXPECT_EQ(world.active_total(), 32u);
}

TEST_F(BalancerTest, ASynThatItsBackendHasRefusedComesToThePortThatTheClientsRstHasFreed) {
  for (const ForwardMode forward : {ForwardMode::kFullNat, ForwardMode::kDnat}) {
    world.set_service({.policy = Policy::kRandom, .forward = forward});
    world.forget_all();
    const Decision first = world.send(client(1), kSyn);
    const BackendId backend = first.backend;
    const FlowKey reply = world.reply_of(first);
    for (int i = 0; i < 5; ++i) {
      world.send(reply, kAck);  // of the connection that the port had before
      world.send(client(1), kRst);
      const Decision again = world.send(client(1), kSyn);
      EXPECT_EQ(again.outcome, Outcome::kCached);
      EXPECT_EQ(again.backend, backend);
      EXPECT_EQ(world.reply_of(again), reply);
      EXPECT_FALSE(again.flow->is_closed());
    }
    world.send(reply, kSyn | kAck);
    EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kEstablished);
    EXPECT_EQ(world.active_total(), 1u);
    world.send(client(1), kRst);
    EXPECT_EQ(world.send(client(1), kSyn).outcome, Outcome::kPicked) << "one that was answered is over";
  }
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
    const Decision decision = world.establish(client(i));
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
  EXPECT_EQ(world.reply_of(back), client(1));
}

TEST_F(BalancerTest, AnUnansweredOrClosingFlowGivesItsPortToANewcomer) {
  world.set_service({.forward = ForwardMode::kFullNat});
  world.set_backends({.except = kNoBackend, .count = 1});
  world.ports = {2000, 2000};
  world.restart();
  world.send(client(1), kSyn);
  EXPECT_EQ(world.send(client(2), kAck).outcome, Outcome::kPortExhausted) << "no newcomer";
  EXPECT_EQ(world.establish(client(2)).outcome, Outcome::kCached);
  EXPECT_EQ(world.active_total(), 1u);
  EXPECT_EQ(world.send(client(3), kSyn).outcome, Outcome::kPortExhausted);
  EXPECT_EQ(world.send(client(2), kRst).outcome, Outcome::kCached);
  EXPECT_EQ(world.send(client(3), kSyn).outcome, Outcome::kPicked);
  EXPECT_EQ(world.balancer->evicted().unanswered.read(), 1u);
  EXPECT_EQ(world.balancer->evicted().closing.read(), 1u);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(BalancerTest, DnatRefusesAReplyThatItCouldNotTellApartFromALiveFlows) {
  world.set_service({.forward = ForwardMode::kDnat});
  world.set_backends({.except = kNoBackend, .count = 1});
  const FlowKey other = flow_key("192.0.2.7", 1, "203.0.113.11", 80);
  EXPECT_EQ(world.establish(client(1)).outcome, Outcome::kCached);
  EXPECT_EQ(world.send(other, kSyn).outcome, Outcome::kPortExhausted);
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kCached);
  world.send(client(1), kRst);
  EXPECT_EQ(world.send(other, kSyn).outcome, Outcome::kPicked) << "the other has closed";
  EXPECT_EQ(world.send(client(1), kSyn).outcome, Outcome::kPicked) << "nobody has answered yet";
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
