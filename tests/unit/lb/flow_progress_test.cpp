// How packets move the state of their flow on, and what becomes of it.
#include "lb/flow_progress.h"

#include <set>

#include "tests/unit/lb/balancer_test.h"

namespace sluice::lb {
namespace {

class FlowProgress : public BalancerTest {};

TEST_F(FlowProgress, TakesARepeatedSynForARetransmission) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  turn_policy_away_from(backend);
  EXPECT_EQ(world.send(client(1), kSyn).backend, backend);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(FlowProgress, ASynOnALiveFlowKeepsItsBackendAndTranslation) {
  for (const auto forward : {ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kDirect}) {
    world.set_backends({.except = kNoBackend, .count = 4});
    world.set_service({.forward = forward});
    const Decision begun =
        forward == ForwardMode::kDirect ? world.send(client(1), kAck) : world.establish(client(1));
    const FlowEntry before = *begun.flow;
    turn_policy_away_from(begun.backend);
    for (const uint8_t flags : {kSyn, uint8_t(kSyn | kFin), uint8_t(kSyn | kRst), uint8_t(kSyn | kAck),
                                uint8_t(kSyn | kFin | kRst | kAck)}) {
      const Decision again = world.send(client(1), flags);
      EXPECT_EQ(again.outcome, Outcome::kCached);
      EXPECT_EQ(again.backend, before.backend);
      EXPECT_EQ(again.flow->translated_port, before.translated_port);
      EXPECT_EQ(again.flow->ended, 0);
      EXPECT_TRUE(forward == ForwardMode::kDirect || again.flow->state == FlowState::kEstablished);
    }
    EXPECT_EQ(world.send(client(1), kAck).backend, before.backend);
    EXPECT_EQ(world.active_total(), 1u);
    world.forget_all();
  }
}

TEST_F(FlowProgress, BeginsAnewWithASynOnAClosedFlow) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const BackendId backend = world.establish(client(1)).backend;
  world.send(client(1), kRst);
  turn_policy_away_from(backend);
  const Decision again = world.send(client(1), kSyn);
  EXPECT_EQ(again.outcome, Outcome::kPicked);
  EXPECT_NE(again.backend, backend);
  EXPECT_EQ(again.flow->state, FlowState::kEmbryonic);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(FlowProgress, BeginsAnewWhereTheBackendAnswersTheSyn) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const Decision begun = world.establish(client(1));
  const FlowKey reply = reply_of(begun);
  world.send(client(1), kFin | kAck);
  world.send(client(1), kSyn);
  EXPECT_EQ(world.send(reply, kAck).flow->state, FlowState::kEstablished) << "a challenge: it goes on";
  const Decision opened = world.send(reply, kSyn | kAck);
  EXPECT_EQ(opened.flow->state, FlowState::kHandshake);
  EXPECT_EQ(opened.flow->ended, 0);
  EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kEstablished);
}

TEST_F(FlowProgress, BeginsAnewWithASynWhereTheBackendHasNoWeightLeft) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  turn_policy_away_from(backend);
  world.backends[backend].weight = 0;
  EXPECT_NE(world.send(client(1), kSyn).backend, backend);
}

TEST_F(FlowProgress, BeginsAnewWithASynWhereTheBackendDrains) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  world.set_backends({.except = backend});
  world.backends[backend].state = BackendState::kDraining;
  world.backends[backend].keeps_flows = true;
  EXPECT_NE(world.send(client(1), kSyn).backend, backend);
}

TEST_F(FlowProgress, ClosesOnARstAndOpensAgainForWhoGoesOn) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const FlowKey reply = reply_of(world.establish(client(1)));
  for (const FlowKey& resets : {client(1), reply}) {
    for (const FlowKey& goes_on : {client(1), reply}) {
      const Decision reset = world.send(resets, kRst);
      EXPECT_EQ(reset.flow->state, FlowState::kClosing);
      EXPECT_EQ(world.balancer->flows().at(reset.flow->peer).state, FlowState::kClosing);
      EXPECT_EQ(world.send(goes_on, kAck).flow->state, FlowState::kEstablished);
      world.now_ms += 70'000;
      EXPECT_EQ(world.send(goes_on, kAck).outcome, Outcome::kCached) << "longer than a closed flow lives";
    }
  }
}

/// A connection that somebody has ended in its client's name, and that goes on after a silence.
class ForgedEnd : public BalancerTest, public testing::WithParamInterface<ForwardMode> {
 protected:
  static constexpr uint32_t kIdleMs = 300'000;
  static constexpr uint32_t kPerhapsClosedMs = 60'000;  ///< nobody knows whether it has ended

  ForgedEnd() { world.set_service({.forward = GetParam(), .idle_timeout_ms = kIdleMs}); }
  Decision begin(const FlowKey& key) {
    if (is_nat(GetParam())) return world.establish(key);
    world.send(key, kSyn);
    world.send(key, kAck);
    world.now_ms += 1200;
    return world.send(key, kAck);
  }
  /// Each entry is looked at again and again meanwhile.
  void wait(uint32_t milliseconds) {
    for (; milliseconds > 1000; milliseconds -= 1000) {
      world.now_ms += 1000;
      world.expire_all();
    }
    world.now_ms += milliseconds;
    world.expire_all();
  }
  void expect_to_go_on(const FlowKey& key, const FlowEntry& before) {
    const Decision later = world.send(key, kAck, 500, true);
    ASSERT_EQ(later.outcome, Outcome::kCached);
    EXPECT_EQ(later.backend, before.backend);
    EXPECT_EQ(later.flow->translated_port, before.translated_port);
    EXPECT_EQ(later.flow->state, FlowState::kEstablished);
    EXPECT_FALSE(later.flow->is_closed());
  }
};
INSTANTIATE_TEST_SUITE_P(EveryMode, ForgedEnd,
                         testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kDirect,
                                         ForwardMode::kIpip, ForwardMode::kGue));
class ForgedEndBehindNat : public ForgedEnd {};
INSTANTIATE_TEST_SUITE_P(EveryMode, ForgedEndBehindNat,
                         testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat));

TEST_P(ForgedEnd, ByTheClientsRstMakesASilentConnectionTheFirstToYieldAndCutsItNot) {
  for (const uint8_t rst : {kRst, uint8_t(kRst | kAck)}) {
    const FlowEntry before = *begin(client(1)).flow;
    turn_policy_away_from(before.backend);
    const Decision reset = world.send(client(1), rst);
    world.expire_all();
    EXPECT_EQ(reset.flow->state, FlowState::kClosing);
    wait(kPerhapsClosedMs);
    expect_to_go_on(client(1), before);
    world.send(client(1), rst);
    wait(kPerhapsClosedMs + 1);
    EXPECT_EQ(world.balancer->flows().size(), 0u) << "nobody goes on";
    EXPECT_EQ(world.active_total(), 0u);
    world.set_backends({.except = kNoBackend, .count = 4});
  }
}

TEST_P(ForgedEnd, ByRstsOnAConnectionThatHasJustBegun) {
  world.send(client(1), kSyn);
  const FlowEntry begun =
      is_nat(GetParam()) ? *world.establish(client(1)).flow : *world.send(client(1), kAck, 500, true).flow;
  turn_policy_away_from(begun.backend);
  for (int i = 0; i < 3; ++i) world.send(client(1), kRst);
  wait(kPerhapsClosedMs);
  const Decision later = world.send(client(1), kAck, 500, true);
  EXPECT_EQ(later.outcome, Outcome::kCached);
  EXPECT_EQ(later.backend, begun.backend);
}

TEST_P(ForgedEnd, ByTheClientsFin) {
  const FlowEntry before = *begin(client(1)).flow;
  turn_policy_away_from(before.backend);
  world.send(client(1), kFin | kAck);
  // Where the backend is not seen, every connection ends by one FIN.
  wait(is_nat(GetParam()) ? kIdleMs : kPerhapsClosedMs);
  expect_to_go_on(client(1), before);
}

TEST_P(ForgedEndBehindNat, IsShownByTheBackendsAnswerToBeNone) {
  const Decision begun = begin(client(1));
  const FlowEntry before = *begun.flow;
  const FlowKey reply = reply_of(begun);
  turn_policy_away_from(before.backend);
  for (const uint8_t end : {kRst, uint8_t(kFin | kAck)}) {
    world.send(client(1), end);
    EXPECT_EQ(world.send(reply, kAck).flow->state, FlowState::kEstablished) << "RFC 5961's challenge";
    wait(kIdleMs);
    expect_to_go_on(client(1), before);
  }
}

TEST_P(ForgedEndBehindNat, IsNoneWhereTheBackendItselfResets) {
  for (const bool client_too : {false, true}) {
    const Decision begun = begin(client(1));
    world.send(reply_of(begun), kRst);
    if (client_too) world.send(client(1), kRst);
    wait(10'000);
    EXPECT_EQ(world.active_total(), 1u);
    wait(1);
    EXPECT_EQ(world.active_total(), 0u);
  }
}

TEST_F(FlowProgress, OpensAgainForDataAfterAFinButNotForItsAcknowledgment) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const FlowKey reply = reply_of(world.establish(client(1)));
  world.send(client(1), kFin | kAck);
  EXPECT_EQ(world.send(reply, kFin | kAck).flow->state, FlowState::kClosing);
  EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kClosing);
  EXPECT_EQ(world.send(client(1), kAck, 500, true).flow->state, FlowState::kEstablished);
  EXPECT_EQ(world.send(client(1), kFin | kAck, 500, true).flow->state, FlowState::kClosing) << "the real one";
}

TEST_F(FlowProgress, WhatNobodyAnsweredHasNothingToClose) {
  for (const auto forward : {ForwardMode::kFullNat, ForwardMode::kDirect}) {
    world.set_service({.forward = forward});
    for (const uint8_t first : {kSyn, kAck}) {
      for (const uint8_t last : {kRst, uint8_t(kFin | kAck)}) {
        world.send(client(1), first);
        const Decision ended = world.send(client(1), last);
        EXPECT_TRUE(is_unanswered(ended.flow->state));
        EXPECT_NE(ended.flow->ended, 0);
        world.forget_all();
      }
    }
  }
}

TEST_F(FlowProgress, ALoneFinKeepsTheFlowForAMinuteWhereRepliesAreNotSeen) {
  const BackendId backend = world.send(client(1), kSyn).backend;
  world.send(client(1), kAck);
  world.send(client(1), kFin | kAck);
  turn_policy_away_from(backend);
  for (int i = 0; i < 3; ++i) {
    world.now_ms += 60'000;
    world.expire_all();
    EXPECT_EQ(world.send(client(1), kAck).backend, backend) << "it acknowledges what the backend still sends";
  }
  world.now_ms += 60'001;
  EXPECT_NE(world.send(client(1), kAck).backend, backend);
}

TEST_F(FlowProgress, ClosesOnBothFinsWhereRepliesAreSeen) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const Decision first = world.send(client(1), kSyn);
  const FlowKey reply = reply_of(first);
  EXPECT_EQ(world.send(reply, kSyn | kAck).flow->state, FlowState::kHandshake)
      << "a backend's answer does not prove the client";
  EXPECT_EQ(world.send(client(1), kAck).flow->state, FlowState::kEstablished);
  EXPECT_EQ(world.send(client(1), kFin | kAck).flow->state, FlowState::kEstablished);
  EXPECT_EQ(world.send(client(1), kFin | kAck).flow->state, FlowState::kEstablished) << "the same again";
  const Decision last = world.send(reply, kFin | kAck);
  EXPECT_EQ(last.flow->state, FlowState::kClosing);
  EXPECT_EQ(world.balancer->flows().at(last.flow->peer).state, FlowState::kClosing);
}

TEST_F(FlowProgress, BeginsNoFlowWithWhatCannotGoOn) {
  for (const uint8_t flags :
       {kRst, uint8_t(kRst | kAck), uint8_t(kSyn | kAck), uint8_t(kSyn | kRst), uint8_t(kSyn | kFin)}) {
    world.set_service({.forward = ForwardMode::kFullNat});
    EXPECT_EQ(world.send(client(1), flags).outcome, Outcome::kNoService);
    world.set_service({.forward = ForwardMode::kDirect});
    const Decision sent = world.send(client(1), flags);
    EXPECT_EQ(sent.outcome, Outcome::kPicked);
    EXPECT_EQ(sent.flow, nullptr);
  }
  EXPECT_EQ(world.balancer->flows().size(), 0u);
  EXPECT_EQ(world.balancer->table_full(), 0u);
}

TEST_F(FlowProgress, AUdpFlowIsAnsweredOnceTheBackendIsSeen) {
  world.set_service({.forward = ForwardMode::kFullNat});
  const Decision asked = world.send(question(1));
  EXPECT_EQ(asked.flow->state, FlowState::kStray);
  EXPECT_TRUE(asked.flow->is_settled) << "one that is never answered goes the short way too";
  EXPECT_EQ(world.send(question(1)).flow->state, FlowState::kStray);
  const Decision answer = world.send(reply_of(asked));
  EXPECT_EQ(answer.flow->state, FlowState::kAnswered);
  EXPECT_TRUE(answer.flow->is_settled);
  EXPECT_FALSE(asked.flow->is_settled) << "that the client goes on has to be seen";
  EXPECT_EQ(world.send(question(1)).flow->state, FlowState::kEstablished);
  EXPECT_TRUE(asked.flow->is_settled);
}

TEST_F(FlowProgress, ForgetsEachStateAfterItsTime) {
  world.set_service({.idle_timeout_ms = 300'000});
  world.send(client(1), kSyn);
  world.send(client(2), kAck);
  world.send(client(3), kAck);
  world.send(client(3), kRst);
  world.send(client(4), kAck);
  world.send(client(4), kFin | kAck);
  const auto known = [&] {
    world.expire_all();
    std::set<unsigned> result;
    for (const FlowEntry& entry : world.entries) {
      if (entry.state != FlowState::kFree) result.insert(entry.key.source_port.host());
    }
    return result;
  };
  world.now_ms += 30'000;
  EXPECT_EQ(known(), (std::set<unsigned>{1, 2, 3, 4}));
  world.now_ms += 1;
  EXPECT_EQ(known(), (std::set<unsigned>{2, 3, 4}));
  world.now_ms += 30'000;
  EXPECT_EQ(known(), (std::set<unsigned>{2}));
  world.now_ms += 239'999;
  EXPECT_EQ(known(), (std::set<unsigned>{2}));
  world.now_ms += 1;
  EXPECT_EQ(known(), (std::set<unsigned>{}));
  EXPECT_EQ(world.active_total(), 0u);
}

TEST_F(FlowProgress, NoStateOutlivesTheServicesTimeout) {
  world.set_service({.idle_timeout_ms = 2000});
  world.send(client(1), kSyn);
  for (const unsigned number : {3u, 4u}) {
    world.send(client(number), kAck);
    world.send(client(number), number == 3 ? kRst : kFin);
  }
  world.now_ms += 2001;
  world.expire_all();
  EXPECT_EQ(world.balancer->flows().size(), 0u);
}

TEST_F(FlowProgress, AnOldEntryIsNoFlowEvenBeforeItIsSwept) {
  const BackendId backend = world.send(client(1), kAck).backend;
  world.set_backends({.except = backend});
  world.backends[backend] = world.all_backends[backend];
  world.now_ms += world.services[World::kService].idle_timeout_ms + 1;
  const Decision late = world.send(client(1), kAck);
  EXPECT_EQ(late.outcome, Outcome::kPicked);
  EXPECT_NE(late.backend, backend);
  EXPECT_EQ(world.active_total(), 1u);
}

TEST_F(FlowProgress, EitherDirectionKeepsANatFlow) {
  world.set_service({.forward = ForwardMode::kFullNat, .idle_timeout_ms = 30'000});
  const FlowKey reply = reply_of(world.send(client(1), kAck));
  for (int i = 0; i < 5; ++i) {
    world.now_ms += 20'000;
    EXPECT_EQ(world.send(reply, kAck).outcome, Outcome::kCached);
    world.expire_all();
  }
  EXPECT_EQ(world.send(client(1), kAck).outcome, Outcome::kCached);
}

}  // namespace
}  // namespace sluice::lb
