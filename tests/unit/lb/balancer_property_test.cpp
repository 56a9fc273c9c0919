// Long random runs of the balancer: its gauges always tell the number of flows, ports are never given
// twice, and nothing is allocated.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "lb/balancer.h"
#include "tests/support/forbid_allocation.h"
#include "tests/unit/lb/check_world.h"

namespace sluice::lb {
namespace {

constexpr unsigned kBackends = 6;

Policy any_policy() {
  return *rc::gen::map(rc::gen::inRange(0, 6), [](int i) { return static_cast<Policy>(i); });
}

ForwardMode any_mode() {
  return *rc::gen::map(rc::gen::inRange(0, 5), [](int i) { return static_cast<ForwardMode>(i); });
}

/// One packet or one change of configuration.
void step(World& world, uint8_t operation, uint8_t which, uint8_t flags) {
  world.now_ms += which;
  const unsigned one_backend = which % kBackends;
  switch (operation) {
    case 0:
      world.set_backends({.except = one_backend});
      break;
    case 1:
      world.set_backends({.except = kNoBackend, .count = kBackends});
      break;
    case 2:
      world.backends[one_backend].state = BackendState::kDraining;
      world.backends[one_backend].keeps_flows = true;
      break;
    case 3:
      world.now_ms += 20'000;
      break;
    case 4:
      world.balancer->expire(world.view(), world.now_ms, which % 16);
      break;
    case 5: {  // a reply, where that entry has one
      const FlowEntry& entry = world.entries[which % world.entries.size()];
      if (entry.state != FlowState::kFree && entry.is_reply)
        world.send(world.balancer->flows().key_of(entry), flags);
      break;
    }
    default: {
      const char* const service = operation % 2 == 0 ? "203.0.113.10" : "203.0.113.11";
      world.send(flow_key("192.0.2.7", 1u + which, service, 80), flags);
    }
  }
}

RC_GTEST_PROP(BalancerProperty, GaugesTellTheNumberOfFlows, ()) {
  World world({.backends = kBackends, .entries = *rc::gen::inRange<size_t>(1, 100)});
  world.set_service({.policy = any_policy(), .forward = any_mode()});
  world.services[World::kOtherService].forward = any_mode();
  const auto flags =
      rc::gen::elementOf(std::vector<uint8_t>{TcpHeader::kSyn, TcpHeader::kSyn, TcpHeader::kAck,
                                              TcpHeader::kAck, uint8_t{TcpHeader::kSyn | TcpHeader::kAck},
                                              uint8_t{TcpHeader::kFin | TcpHeader::kAck}, TcpHeader::kRst});
  const auto steps = *rc::gen::container<std::vector<std::tuple<uint8_t, uint8_t, uint8_t>>>(
      300, rc::gen::tuple(rc::gen::inRange<uint8_t>(0, 20), rc::gen::arbitrary<uint8_t>(), flags));
  for (const auto& [operation, which, tcp_flags] : steps) {
    step(world, operation, which, tcp_flags);
    check(world);
  }
  world.forget_all();
  check(world);
  RC_ASSERT(world.active_total() == 0u);
}

RC_GTEST_PROP(BalancerProperty, NoTwoFlowsShareATranslation, ()) {
  World world({.backends = 2, .entries = 4096});
  world.ports = {2000, static_cast<uint16_t>(2000 + *rc::gen::inRange(0, 40))};
  world.snat = {address("10.20.0.1"), address("10.20.0.2"), address("10.20.0.3")};
  world.restart();
  world.set_service({.forward = ForwardMode::kFullNat});
  std::set<std::tuple<BackendId, uint8_t, uint16_t>> used;
  for (unsigned i = 0; i < 300; ++i) {
    const Decision decision = world.establish(flow_key("192.0.2.7", 1024 + i, "203.0.113.10", 80));
    if (decision.outcome == Outcome::kPortExhausted) continue;
    const FlowEntry& flow = *decision.flow;
    RC_ASSERT(used.emplace(flow.backend, flow.snat, flow.translated_port.host()).second);
  }
  RC_ASSERT(used.size() == world.balancer->flows().size() / 2);
}

class WithoutAllocation : public testing::TestWithParam<std::tuple<Policy, ForwardMode>> {};

TEST_P(WithoutAllocation, PacketsAreBalancedAndFlowsExpire) {
  const auto [policy, forward] = GetParam();
  World world({.backends = kBackends, .entries = 200});
  world.set_service({.policy = policy, .forward = forward});
  const View view = world.view();
  const FlowKey first = flow_key("192.0.2.7", 0, "203.0.113.10", 80);
  std::array<unsigned, 5> outcomes{};
  for (unsigned i = 0; i < 2000; ++i) {
    FlowKey key = first;
    key.source_port = port(1024 + i % 700);
    const test::ForbidAllocation forbidden;
    const uint8_t flags = i % 3 == 0 ? TcpHeader::kSyn : i % 7 == 0 ? TcpHeader::kRst : TcpHeader::kAck;
    const Decision decision =
        world.balancer->balance(view, key, world.balancer->flows().hash(key), {flags, 64}, i * 10);
    ++outcomes[static_cast<size_t>(decision.outcome)];
    world.balancer->explain(view, key, i * 10);
    world.balancer->find_quoted(view, key.reversed());
    world.balancer->expire(view, i * 10, 4);
  }
  EXPECT_GT(outcomes[static_cast<size_t>(Outcome::kPicked)], 100u);
}

INSTANTIATE_TEST_SUITE_P(
    EveryPolicyAndMode, WithoutAllocation,
    testing::Combine(testing::Values(Policy::kMaglev, Policy::kSourceHash, Policy::kWeightedRoundRobin,
                                     Policy::kRandom, Policy::kTwoChoices, Policy::kLeastConnections),
                     testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat, ForwardMode::kIpip,
                                     ForwardMode::kGue, ForwardMode::kDirect)));

TEST(WithoutAllocationDeathTest, TheTestWouldNotice) {
  EXPECT_DEATH(
      {
        const test::ForbidAllocation forbidden;
        ::operator delete(::operator new(1));
      },
      "");
}

}  // namespace
}  // namespace sluice::lb
