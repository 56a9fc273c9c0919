// Limits of flows, through balancers of several workers that share what they count.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lb/flow_admission.h"
#include "lb/service_rules.h"
#include "tests/unit/lb/world.h"

namespace sluice::lb {
namespace {

constexpr uint8_t kSyn = TcpHeader::kSyn;

/// Workers with the same backends and rules.
class Workers {
 public:
  static constexpr unsigned kBackends = 3;
  explicit Workers(unsigned count, size_t entries = 64) {
    for (unsigned i = 0; i < count; ++i) {
      auto& world = worlds_.emplace_back(World::Size{kBackends, entries});
      admissions_.emplace_back(FlowAdmission::Memory{{service_flows_, backend_flows_},
                                                     world.services_counters,
                                                     world.backend_counters,
                                                     counted_services_.emplace_back(4),
                                                     counted_backends_.emplace_back(kBackends)},
                               i);
      world.admission = &admissions_.back();
      world.restart();
    }
  }
  World& operator[](unsigned worker) { return worlds_[worker]; }
  size_t size() const { return worlds_.size(); }

  /// What its services forward by, and their rules from now on.
  void set(const World::Wanted& wanted, const ServiceRules* rules, uint32_t flows_per_backend = 0) {
    const std::vector<ServiceId> services = {World::kService};
    const std::vector<BackendId> backends = {0, 1, 2};
    for (size_t i = 0; i < size(); ++i) {
      World& world = worlds_[i];
      for (Backend& backend : world.backends) backend.most_flows = flows_per_backend;
      world.set_service(wanted);
      world.services[World::kService].rules = rules;
      const bool counts = rules != nullptr && rules->most_flows != 0;
      admissions_[i].adopt(world.services, counts ? services : std::vector<ServiceId>{},
                           flows_per_backend != 0 ? backends : std::vector<BackendId>{});
    }
  }
  uint32_t flows_of_backend(BackendId id) const { return backend_flows_[id].load(); }
  uint32_t flows_of_service() const { return service_flows_[World::kService].load(); }

 private:
  std::vector<SharedCount> service_flows_ = std::vector<SharedCount>(4);
  std::vector<SharedCount> backend_flows_ = std::vector<SharedCount>(kBackends);
  std::deque<std::vector<uint8_t>> counted_services_, counted_backends_;
  std::deque<World> worlds_;
  std::deque<FlowAdmission> admissions_;
};

FlowKey key_of(unsigned source, unsigned source_port) {
  return flow_key("198.51.100." + std::to_string(source), source_port, "203.0.113.10", 80);
}

void end_all(World& world) {
  for (FlowEntry& entry : world.entries) {
    if (entry.state != FlowState::kFree && !entry.is_reply) world.balancer->end(entry);
  }
}

ServiceRules limited_sources(std::optional<uint32_t> flows, std::optional<Rate> new_flows = {}) {
  ServiceRules rules;
  rules.per_source.emplace();
  if (flows) rules.per_source->flows.emplace(*flows, std::make_shared<SourceTable>(100), 1);
  if (new_flows) rules.per_source->new_flows.emplace(*new_flows, std::make_shared<SourceTable>(100));
  return rules;
}

class EveryMode : public testing::TestWithParam<ForwardMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, EveryMode,
                         testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kDirect));

TEST_P(EveryMode, CountsFlowsOfAllWorkersTogether) {
  Workers workers(3);
  ServiceRules rules;
  rules.most_flows = 5;
  workers.set({.forward = GetParam()}, &rules);
  unsigned begun = 0, refused = 0;
  for (unsigned i = 0; i < 12; ++i) {
    const Decision decision = workers[i % 3].send(key_of(1, 1000 + i), kSyn);
    begun += decision.outcome == Outcome::kPicked;
    refused += decision.outcome == Outcome::kRateLimited && decision.limit == Limit::kFlows;
  }
  EXPECT_EQ(begun, 5u);
  EXPECT_EQ(refused, 7u);
  EXPECT_EQ(workers[0].send(key_of(1, 1000)).outcome, Outcome::kCached);  // those that have begun go on
  end_all(workers[0]);
  EXPECT_EQ(workers.flows_of_service(), 3u);
  EXPECT_EQ(workers[1].send(key_of(2, 1), kSyn).outcome, Outcome::kPicked);
}

TEST(FlowAdmission, CountsFlowsThatBeganBeforeTheLimit) {
  Workers workers(2);
  workers.set({}, nullptr);
  for (unsigned i = 0; i < 4; ++i) workers[i % 2].send(key_of(1, 1000 + i), kSyn);
  ServiceRules rules;
  rules.most_flows = 5;
  workers.set({}, &rules);
  EXPECT_EQ(workers.flows_of_service(), 4u);
  EXPECT_EQ(workers[0].send(key_of(2, 1), kSyn).outcome, Outcome::kPicked);
  EXPECT_EQ(workers[1].send(key_of(2, 2), kSyn).outcome, Outcome::kRateLimited);
  workers.set({}, nullptr);
  EXPECT_EQ(workers[1].send(key_of(2, 2), kSyn).outcome, Outcome::kPicked);
  EXPECT_EQ(workers.flows_of_service(), 6u);
}

TEST(FlowAdmission, GivesPlacesBackWhereNoFlowBegins) {
  Workers workers(1, 2);
  ServiceRules rules = limited_sources(10);
  rules.most_flows = 10;
  workers.set({}, &rules, 10);
  for (unsigned i = 0; i < 5; ++i) workers[0].send(key_of(1, 1000 + i), kSyn);
  workers[0].send(key_of(1, 2000), TcpHeader::kRst);  // begins nothing, and goes by the hash
  EXPECT_EQ(workers.flows_of_service(), workers[0].balancer->flows().size());
  uint32_t of_backends = 0;
  for (BackendId id = 0; id < Workers::kBackends; ++id) of_backends += workers.flows_of_backend(id);
  EXPECT_EQ(of_backends, workers[0].balancer->flows().size());
  workers[0].set_backends({});
  workers[0].send(key_of(2, 1), kSyn);  // no backend
  end_all(workers[0]);
  EXPECT_EQ(workers.flows_of_service(), 0u);
}

TEST(FlowAdmission, PassesOverFullBackendsForTheNextSlot) {
  Workers workers(2);
  workers.set({}, nullptr, 4);
  std::map<BackendId, unsigned> begun;
  for (unsigned i = 0; i < 30; ++i) {
    World& world = workers[i % 2];
    const FlowKey key = key_of(1, 1000 + i);
    // A naive walk over the slots from the flow's own on.
    const auto slots = world.pool->slots();
    size_t slot = siphash24(kKey, &key, FlowKey::kHashedBytes) % slots.size();
    size_t steps = 0;
    for (; steps < slots.size() && begun[slots[slot]] == 4; ++steps) slot = (slot + 1) % slots.size();
    const Decision decision = world.send_foreseen(key, i % 3 != 0 ? world.foresee(key) : Foresight{}, kSyn);
    if (steps == slots.size()) {
      EXPECT_EQ(decision.outcome, Outcome::kRateLimited);
      EXPECT_EQ(decision.limit, Limit::kBackendFlows);
    } else {
      EXPECT_EQ(decision.backend, slots[slot]);
      EXPECT_EQ(decision.slot, slot);
      ++begun[decision.backend];
    }
  }
  EXPECT_EQ(begun[0] + begun[1] + begun[2], 12u);
}

TEST(FlowAdmission, PassesOverFullBackendsUnderEveryPolicy) {
  for (unsigned policy = 0; policy < 6; ++policy) {
    Workers workers(2);
    workers.set({.policy = static_cast<Policy>(policy)}, nullptr, 4);
    unsigned begun = 0;
    for (unsigned i = 0; i < 20; ++i) {
      begun += workers[i % 2].send(key_of(1 + i, 1000), kSyn).outcome == Outcome::kPicked;
    }
    EXPECT_EQ(begun, 12u) << policy;
    for (BackendId id = 0; id < Workers::kBackends; ++id) EXPECT_EQ(workers.flows_of_backend(id), 4u);
  }
}

TEST(FlowAdmission, LimitsEachSourceApartWhateverItsWorker) {
  Workers workers(3);
  const ServiceRules rules = limited_sources(2);
  workers.set({.forward = ForwardMode::kFullNat}, &rules);
  for (unsigned source = 1; source <= 3; ++source) {
    for (unsigned i = 0; i < 4; ++i) {
      const Decision decision = workers[i % 3].send(key_of(source, 1000 + i), kSyn);
      EXPECT_EQ(decision.outcome, i < 2 ? Outcome::kPicked : Outcome::kRateLimited);
      EXPECT_EQ(decision.limit, i < 2 ? Limit::kNone : Limit::kSourceFlows);
    }
  }
  for (unsigned i = 0; i < 3; ++i) end_all(workers[i]);
  EXPECT_EQ(workers[2].send(key_of(1, 1), kSyn).outcome, Outcome::kPicked);
}

TEST(FlowAdmission, TakesAPrefixForOneSource) {
  Workers workers(1);
  ServiceRules rules = limited_sources(1);
  rules.per_source->prefix4 = 24;
  workers.set({}, &rules);
  EXPECT_EQ(workers[0].send(key_of(1, 1000), kSyn).outcome, Outcome::kPicked);
  EXPECT_EQ(workers[0].send(key_of(200, 1000), kSyn).outcome, Outcome::kRateLimited);
  EXPECT_EQ(workers[0].send(flow_key("198.51.101.1", 1, "203.0.113.10", 80), kSyn).outcome, Outcome::kPicked);
}

TEST(FlowAdmission, LetsASourceBeyondItsLimitUseUpNothingOfTheServices) {
  Workers workers(1, 512);
  ServiceRules rules = limited_sources({}, Rate::of(0.001, 5));
  rules.new_flows = std::make_shared<SharedBucket>(Rate::of(0.001, 10), 1);
  workers.set({}, &rules);
  unsigned begun = 0;
  for (unsigned i = 0; i < 100; ++i) begun += workers[0].send(key_of(1, 1000 + i), kSyn).flow != nullptr;
  EXPECT_EQ(begun, 5u);
  for (unsigned i = 0; i < 4; ++i) begun += workers[0].send(key_of(2, 1000 + i), kSyn).flow != nullptr;
  EXPECT_EQ(begun, 9u);
  EXPECT_EQ(workers[0].send(key_of(3, 1), kSyn).outcome, Outcome::kPicked);
  const Decision refused = workers[0].send(key_of(3, 2), kSyn);
  EXPECT_EQ(refused.limit, Limit::kNewFlows);
}

TEST(FlowAdmission, ExplainsWithoutTakingAnything) {
  Workers workers(1);
  ServiceRules rules = limited_sources(1, Rate::of(0.001, 1));
  rules.new_flows = std::make_shared<SharedBucket>(Rate::of(0.001, 2), 1);
  rules.most_flows = 2;
  workers.set({}, &rules);
  World& world = workers[0];
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(world.balancer->explain(world.view(), key_of(1, 1000), world.now_ms, world.now_ns).outcome,
              Outcome::kPicked);
  }
  EXPECT_EQ(world.send(key_of(1, 1000), kSyn).outcome, Outcome::kPicked);
  const auto limit_of = [&](const FlowKey& key) {
    return world.balancer->explain(world.view(), key, world.now_ms, world.now_ns).limit;
  };
  EXPECT_EQ(limit_of(key_of(1, 1001)), Limit::kSourceFlows);
  EXPECT_EQ(limit_of(key_of(2, 1001)), Limit::kNone);
  EXPECT_EQ(world.send(key_of(2, 1000), kSyn).outcome, Outcome::kPicked);
  EXPECT_EQ(limit_of(key_of(3, 1001)), Limit::kNewFlows);
}

/// What is admitted is what a single thread that knows everything would admit.
RC_GTEST_PROP(FlowAdmission, CountsAsOneWorkerWouldThatHasAllFlows, ()) {
  const unsigned count = *rc::gen::inRange(1u, 4u);
  Workers workers(count, 256);
  const uint32_t most = *rc::gen::inRange(1u, 30u), most_of_source = *rc::gen::inRange(1u, 6u);
  ServiceRules rules = limited_sources(most_of_source);
  rules.most_flows = most;
  const auto mode = static_cast<ForwardMode>(*rc::gen::inRange(0, 5));
  workers.set({.forward = mode}, &rules);
  struct Live {
    unsigned worker;
    unsigned source;
    FlowKey key;
  };
  std::vector<Live> live;
  const auto random = *rc::gen::container<std::vector<uint32_t>>(300, rc::gen::arbitrary<uint32_t>());
  unsigned port = 1000;
  for (const uint32_t bits : random) {
    if (bits % 3 == 0 && !live.empty()) {
      const size_t which = (bits >> 8) % live.size();
      Balancer& balancer = *workers[live[which].worker].balancer;
      FlowEntry* const flow = balancer.flows().find(live[which].key, balancer.flows().hash(live[which].key));
      RC_ASSERT(flow != nullptr);
      balancer.end(*flow);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(which));
      continue;
    }
    const unsigned worker = (bits >> 8) % count, source = 1 + (bits >> 16) % 6;
    const FlowKey key = key_of(source, port++);
    uint32_t of_source = 0;
    for (const Live& one : live) of_source += one.source == source;
    const bool may_begin = live.size() < most && of_source < most_of_source;
    const Decision decision = workers[worker].send(key, kSyn);
    RC_ASSERT((decision.outcome == Outcome::kPicked) == may_begin);
    if (may_begin) live.push_back({worker, source, key});
  }
  RC_ASSERT(workers.flows_of_service() == live.size());
}

}  // namespace
}  // namespace sluice::lb
