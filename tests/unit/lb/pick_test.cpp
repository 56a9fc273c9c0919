#include "lb/pick.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "lb/handshake_watch.h"
#include "lb/policies/all.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {
namespace {

class PickTest : public testing::Test {
 protected:
  void set_weights(const std::vector<uint32_t>& weights) {
    auto endpoints = many_endpoints(weights.size());
    for (size_t i = 0; i < weights.size(); ++i) {
      endpoints[i].weight = weights[i];
      backends[i].weight = weights[i];
    }
    pool = PoolTable::build(0, endpoints, 251, kKey, {.schedule = true});
  }
  Pick pick_one(Policy policy) { return pick(*pool, policy, key, kKey, {backends, load, cursor, random}); }
  /// Picks and keeps the flow, as the balancer does.
  BackendId begin_flow(Policy policy) {
    const BackendId id = pick_one(policy).backend;
    load[id].active_flows.add(1);
    return id;
  }
  std::map<BackendId, unsigned> begin_flows(Policy policy, unsigned count) {
    std::map<BackendId, unsigned> result;
    for (unsigned i = 0; i < count; ++i) ++result[begin_flow(policy)];
    return result;
  }

  std::shared_ptr<const PoolTable> pool;
  std::array<Backend, 8> backends{};
  std::array<TargetCounters, 8> load{};
  uint32_t cursor = 0;
  uint64_t random = 42;
  const FlowKey key = flow_key("192.0.2.7", 40000, "203.0.113.10", 80);
};

TEST(Policies, EachHashesOrChooses) {
  for (const PolicyRow& row : kPolicies) EXPECT_NE(row.hash == nullptr, row.choose == nullptr) << row.name;
}

TEST_F(PickTest, EveryPolicyFindsNobodyInAnEmptyPool) {
  pool = PoolTable::build(0, {}, 251, kKey, {.schedule = true});
  for (const auto policy :
       {Policy::kMaglev, Policy::kSourceHash, Policy::kWeightedRoundRobin, Policy::kRandom,
        Policy::kTwoChoices, Policy::kLeastConnections, Policy::kLeastResponseTime}) {
    EXPECT_EQ(pick_one(policy).backend, kNoBackend);
  }
}

/// Pools of their own size, keys of either family.
TEST_F(PickTest, FourAtOnceGoWhereEachGoesByItself) {
  const std::array<uint32_t, 4> sizes = {251, 257, 65537, 263};
  std::array<std::shared_ptr<const PoolTable>, 4> kept;
  std::array<const PoolTable*, 4> pools;
  for (size_t i = 0; i < 4; ++i) {
    kept[i] = PoolTable::build(0, many_endpoints(3 + i), sizes[i], kKey, {});
    pools[i] = kept[i].get();
  }
  std::array<FlowKey, 4> keys = {key, key, flow_key("2001:db8::7", 40000, "2001:db8::10", 80), key};
  const std::array<const FlowKey*, 4> four = {&keys[0], &keys[1], &keys[2], &keys[3]};
  for (uint16_t port = 1; port < 1000; ++port) {
    for (FlowKey& each : keys) each.source_port = Be16::from_host(port);
    keys[3].protocol = IpProtocol::kUdp;
    const auto picks = pick_four(pools, four, kKey);
    for (size_t i = 0; i < 4; ++i) {
      const Pick alone = pick_by_hash(*pools[i], Policy::kMaglev, keys[i], kKey);
      ASSERT_EQ(picks[i].slot, alone.slot) << i;
      ASSERT_EQ(picks[i].backend, alone.backend) << i;
    }
  }
}

// The slots come from an implementation in Python.
TEST_F(PickTest, HashesTheFlowOrTheSourceAlone) {
  set_weights({1, 1, 1});
  EXPECT_EQ(pick_one(Policy::kMaglev).slot, 236u);
  EXPECT_EQ(pick_one(Policy::kMaglev).backend, pool->slots()[236]);
  EXPECT_EQ(pick_one(Policy::kSourceHash).slot, 37u);
  EXPECT_EQ(pick_one(Policy::kSourceHash).backend, pool->slots()[37]);
}

TEST_F(PickTest, RoundRobinFollowsTheWeightsExactly) {
  set_weights({3, 1, 2});
  EXPECT_EQ(begin_flows(Policy::kWeightedRoundRobin, 600),
            (std::map<BackendId, unsigned>{{0, 300}, {1, 100}, {2, 200}}));
}

TEST_F(PickTest, RoundRobinSurvivesAShrunkPool) {
  set_weights({1, 1, 1, 1, 1});
  begin_flows(Policy::kWeightedRoundRobin, 4);
  set_weights({1, 1});
  EXPECT_EQ(begin_flows(Policy::kWeightedRoundRobin, 10), (std::map<BackendId, unsigned>{{0, 5}, {1, 5}}));
}

TEST_F(PickTest, RandomFollowsTheWeights) {
  set_weights({3, 1});
  auto count = begin_flows(Policy::kRandom, 10'000);
  // The standard deviation is 43; the generator's seed is fixed.
  EXPECT_NEAR(count[0], 7500, 200);
}

TEST_F(PickTest, TwoChoicesTakesTheLessLoadedOfTwo) {
  set_weights({1, 1});
  load[0].active_flows.add(1000);
  auto count = begin_flows(Policy::kTwoChoices, 400);
  // Backend 0 only where both draws name it: a quarter.
  EXPECT_NEAR(count[0], 100, 40);
}

TEST_F(PickTest, TwoChoicesLevelsLoadByWeight) {
  set_weights({4, 1});
  begin_flows(Policy::kTwoChoices, 5000);
  EXPECT_NEAR(static_cast<double>(load[0].active_flows.read()), 4000, 50);
}

TEST_F(PickTest, LeastConnectionsLevelsLoadByWeight) {
  set_weights({5, 2, 1});
  load[2].active_flows.add(100);
  begin_flows(Policy::kLeastConnections, 700);
  EXPECT_EQ(load[0].active_flows.read(), 500u);
  EXPECT_EQ(load[1].active_flows.read(), 200u);
  EXPECT_EQ(load[2].active_flows.read(), 100u);
}

TEST_F(PickTest, LeastConnectionsLetsEqualsTakeTurns) {
  set_weights({1, 1, 1});
  std::map<BackendId, unsigned> count;
  for (unsigned i = 0; i < 30; ++i) ++count[pick_one(Policy::kLeastConnections).backend];
  EXPECT_EQ(count, (std::map<BackendId, unsigned>{{0, 10}, {1, 10}, {2, 10}}));
}

/// What a worker knows of answers, for least-response-time.
class PickByAnswers : public PickTest {
 protected:
  static constexpr uint64_t kNow = 1'000'000'000'000, kMs = 1'000'000;

  void know(BackendId id, uint64_t nanoseconds, uint32_t open = 0, uint64_t at = kNow) {
    answers[id].handshake.clear();
    answers[id].handshake.add_peak(at, nanoseconds);
    answers[id].open_flows = open;
  }
  /// How often each is picked, its flows ending at once.
  std::map<BackendId, unsigned> shares(unsigned count) {
    std::map<BackendId, unsigned> result;
    for (unsigned i = 0; i < count; ++i) {
      ++result[pick(*pool, Policy::kLeastResponseTime, key, kKey,
                    {.backends = backends,
                     .load = load,
                     .cursor = cursor,
                     .random = random,
                     .answer_times = answers.data(),
                     .now_ns = kNow})
                   .backend];
    }
    return result;
  }

  std::array<AnswerTime, 8> answers{};
};

TEST_F(PickByAnswers, ASlowBackendGetsFewFlows) {
  set_weights({1, 1, 1, 1, 1, 1, 1, 1});
  for (BackendId id = 0; id < 8; ++id) know(id, id == 3 ? 10 * kMs : kMs);
  EXPECT_LE(shares(8000)[3], 8000u / 8 / 4);
}

TEST_F(PickByAnswers, OneThatIsQuickToAcceptAndSlowToAnswerGetsFewFlows) {
  set_weights({1, 1, 1, 1, 1, 1, 1, 1});
  for (BackendId id = 0; id < 8; ++id) {
    know(id, kMs);
    answers[id].response.add(kNow, id == 3 ? 200 * kMs : 20 * kMs);
  }
  EXPECT_LE(shares(8000)[3], 8000u / 8 / 4);
}

TEST_F(PickByAnswers, OneThatFailsLosesHoweverLongTheOthersAnswersTake) {
  set_weights({1, 1, 1, 1});
  for (BackendId id = 0; id < 4; ++id) {
    know(id, id == 2 ? HandshakeWatch::kFailureNs : kMs, id == 2 ? 0 : 20);
    answers[id].response.add(kNow, 30'000 * kMs);  // they hold requests until there is news
  }
  EXPECT_LE(shares(8000)[2], 8000u / 4 / 4);
}

TEST_F(PickByAnswers, ANewOneIsNotFloodedBeforeItsFirstAnswer) {
  set_weights({1, 1, 1, 1});
  for (BackendId id = 0; id < 4; ++id) {
    know(id, kMs, 5);
    if (id != 1) answers[id].response.add(kNow, 2000 * kMs);
  }
  EXPECT_LE(shares(8000)[1], 8000u / 4 * 2);
}

TEST_F(PickByAnswers, AFailingOneGetsLessThanAQuarterOfItsShareHoweverFewThereAre) {
  for (const unsigned count : {2u, 3u, 8u}) {
    set_weights(std::vector<uint32_t>(count, 1));
    for (BackendId id = 0; id < count; ++id) know(id, id == 0 ? HandshakeWatch::kFailureNs : kMs);
    EXPECT_LE(shares(8000)[0], 8000 / count / 4) << count;
  }
}

TEST_F(PickByAnswers, ANewOneIsProbedAtOnceWithOneFlow) {
  set_weights({1, 1, 1});
  for (const BackendId id : {0u, 1u}) know(id, kMs);
  EXPECT_GT(shares(300)[2], 150u);  // whenever it is drawn
  answers[2].open_flows = 1;
  EXPECT_LT(shares(300)[2], 5u);  // until it has answered
}

TEST_F(PickByAnswers, FlowsThatAreOpenCountAndSoDoWeights) {
  set_weights({1, 1});
  know(0, kMs, 9);
  know(1, kMs, 3);
  EXPECT_GT(shares(300)[1], 270u);
  set_weights({4, 1});
  EXPECT_GT(shares(300)[0], 270u);
}

TEST_F(PickByAnswers, WhatWasLongAgoFades) {
  set_weights({1, 1, 1});
  know(0, HandshakeWatch::kFailureNs, 0, kNow - static_cast<uint64_t>(20 * AverageTime::kFadeNs));
  know(1, kMs);
  know(2, kMs);
  EXPECT_GT(shares(300)[0], 150u);  // it is tried again
}

}  // namespace
}  // namespace sluice::lb
