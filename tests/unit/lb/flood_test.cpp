// Floods of packets that strangers make up, beside flows that the other side has answered: these lose neither
// entry nor port nor backend.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "tests/unit/lb/check_world.h"

namespace sluice::lb {
namespace {

constexpr uint8_t kSyn = TcpHeader::kSyn, kAck = TcpHeader::kAck, kFin = TcpHeader::kFin,
                  kRst = TcpHeader::kRst;

/// What a flood is made of.
enum class Kind : uint8_t {
  kAcks,
  kSynAcks,
  kResets,
  kSyns,
  kOddSyns,
  kFins,
  kHandshakes,  ///< the client's side of them, blindly
  kAnsweredSyns,
  kReset,  ///< connections that are made and then reset
  kDatagrams,
  kAnsweredDatagrams,
};
constexpr int kKinds = 11;

class Flood {
 public:
  explicit Flood(World& world) : world_(world) {}

  /// One more of that kind, from another stranger each.
  void send(Kind kind) {
    ++next_;
    const bool is_udp = kind == Kind::kDatagrams || kind == Kind::kAnsweredDatagrams;
    const FlowKey key{IpAddress::v4(Be32::from_host(0xcb007200 + (next_ >> 14))),
                      address("203.0.113.10"),
                      port(1024 + (next_ & 0x3fff)),
                      port(is_udp ? 53 : 80),
                      is_udp ? IpProtocol::kUdp : IpProtocol::kTcp,
                      {}};
    switch (kind) {
      case Kind::kAcks:
        world_.send(key, kAck, 64, true);
        break;
      case Kind::kSynAcks:
        world_.send(key, kSyn | kAck);
        break;
      case Kind::kResets:
        world_.send(key, kRst);
        break;
      case Kind::kSyns:
        world_.send(key, kSyn);
        break;
      case Kind::kOddSyns:
        world_.send(key, kSyn | (next_ % 2 == 0 ? kFin : kRst));
        break;
      case Kind::kFins:
        world_.send(key, kFin | kAck);
        break;
      case Kind::kHandshakes:
        world_.send(key, kSyn);
        world_.send(key, kAck);
        break;
      case Kind::kAnsweredSyns:
        answer(world_.send(key, kSyn), kSyn | kAck);
        break;
      case Kind::kReset:
        answer(world_.send(key, kSyn), kSyn | kAck);
        world_.send(key, kAck);
        world_.send(key, kRst);
        break;
      case Kind::kDatagrams:
        world_.send(key);
        break;
      case Kind::kAnsweredDatagrams:
        answer(world_.send(key), 0);
        break;
    }
  }

 private:
  void answer(const Decision& decision, uint8_t flags) {
    if (decision.flow != nullptr && decision.flow->peer != kNoFlow) {
      world_.send(world_.reply_of(decision), flags);
    }
  }

  World& world_;
  uint32_t next_ = 0;
};

/// A flow that the other side has answered, and what it must keep.
struct Answered {
  FlowKey key;
  FlowKey reply;
  FlowEntry entry;
};

/// The numbered flow, from the client's point of view.
FlowKey client(unsigned number, bool is_udp = false) {
  return flow_key("192.0.2.7", 1024 + number, "203.0.113.10", is_udp ? 53 : 80,
                  is_udp ? IpProtocol::kUdp : IpProtocol::kTcp);
}

std::vector<Answered> answered_flows(World& world, unsigned count) {
  const bool is_nat = world.services[World::kService].is_nat();
  std::vector<FlowKey> keys;
  for (unsigned i = 0; i < count; ++i) keys.push_back(client(i, i % 3 == 2));
  std::vector<Answered> flows;
  if (is_nat) {
    for (const FlowKey& key : keys) world.establish(key);
  } else {
    for (const bool again : {false, true}) {
      for (const FlowKey& key : keys) {
        const bool tcp = key.protocol == IpProtocol::kTcp;
        if (!again) world.send(key, tcp ? kSyn : uint8_t{0});
        world.send(key, tcp ? kAck : uint8_t{0});
      }
      world.now_ms += 1200;
    }
  }
  for (const FlowKey& key : keys) {
    FlowTable& table = world.balancer->flows();
    const FlowEntry* const entry = table.find(key, table.hash(key));
    RC_ASSERT(entry != nullptr);
    flows.push_back({key, is_nat ? table.key_of(table.at(entry->peer)) : FlowKey{}, *entry});
  }
  return flows;
}

/// The flow goes on, from one of its sides, as if nothing were.
void go_on(World& world, const Answered& flow, bool from_client) {
  const bool is_nat = flow.entry.peer != kNoFlow;
  const uint8_t flags = flow.key.protocol == IpProtocol::kTcp ? kAck : uint8_t{0};
  const Decision decision = world.send(from_client || !is_nat ? flow.key : flow.reply, flags);
  RC_ASSERT(decision.outcome == Outcome::kCached);
  RC_ASSERT(decision.backend == flow.entry.backend);
  RC_ASSERT(decision.flow->translated_port == flow.entry.translated_port);
  RC_ASSERT(decision.flow->snat == flow.entry.snat);
}

RC_GTEST_PROP(Flood, NoAnsweredFlowLosesItsEntryPortOrBackend, ()) {
  World world({.backends = 3, .entries = *rc::gen::inRange<size_t>(16, 400)});
  const auto mode = static_cast<ForwardMode>(*rc::gen::inRange(0, 5));
  const bool is_nat = lb::is_nat(mode);
  const size_t most = world.entries.size() / (is_nat ? 2 : 1) - 1;
  const auto count = *rc::gen::inRange<unsigned>(0, static_cast<unsigned>(most));
  // Ports are short as well: there are a few more than answered flows towards one backend could need.
  world.ports = {2000, static_cast<uint16_t>(2000 + count + *rc::gen::inRange(0u, 20u))};
  world.restart();
  world.set_service({.policy = static_cast<Policy>(*rc::gen::inRange(0, 6)), .forward = mode});
  const std::vector<Answered> flows = answered_flows(world, count);

  Flood flood(world);
  const auto waves = *rc::gen::container<std::vector<std::tuple<int, unsigned, unsigned>>>(
      6, rc::gen::tuple(rc::gen::inRange(0, kKinds), rc::gen::inRange(1u, 300u), rc::gen::inRange(0u, 5u)));
  for (const auto& [kind, packets, pace] : waves) {
    for (unsigned i = 0; i < packets; ++i) {
      flood.send(static_cast<Kind>(kind));
      if (i % 64 < pace) ++world.now_ms;
      if (!flows.empty() && i % 16 == 0) go_on(world, flows[(i * 7) % flows.size()], i % 32 == 0);
    }
    check(world);
  }
  for (const Answered& flow : flows) go_on(world, flow, true);
  for (const Answered& flow : flows) go_on(world, flow, false);

  // Whatever was begun is there, has given way, or was begun anew by a SYN after its end.
  uint64_t begun = 0;
  for (const auto& counters : world.backend_counters) begun += counters.flows.read();
  const EvictedFlows& evicted = world.balancer->evicted();
  const uint64_t gone = evicted.unanswered.read() + evicted.closing.read() + evicted.answered.read();
  RC_ASSERT(begun == world.active_total() + gone);
}

class FloodOf : public testing::TestWithParam<std::tuple<Kind, Policy>> {};

/// New connections, ten packets each, while strangers flood a full table.
TEST_P(FloodOf, NewConnectionsKeepTheirBackendsWhereRepliesAreNotSeen) {
  const auto [kind, policy] = GetParam();
  World world({.backends = 4, .entries = 4096});
  world.set_service({.policy = policy, .forward = ForwardMode::kDirect});
  Flood flood(world);
  for (unsigned i = 0; i < 8000; ++i) flood.send(kind);
  unsigned kept = 0;
  for (unsigned first = 0; first < 1000; first += 100) {
    std::map<unsigned, BackendId> chosen;
    std::set<unsigned> moved;
    for (unsigned packet = 0; packet < 10; ++packet) {
      for (unsigned i = first; i < first + 100; ++i) {
        const BackendId backend = world.send(client(i), packet == 0 ? kSyn : kAck).backend;
        if (chosen.emplace(i, backend).first->second != backend) moved.insert(i);
        for (unsigned more = 0; more < 10; ++more) flood.send(kind);
      }
      world.now_ms += 2;
    }
    kept += 100 - static_cast<unsigned>(moved.size());
  }
  EXPECT_EQ(kept, 1000u);
}
INSTANTIATE_TEST_SUITE_P(
    EveryKind, FloodOf,
    testing::Combine(testing::Values(Kind::kAcks, Kind::kSynAcks, Kind::kResets, Kind::kSyns, Kind::kOddSyns,
                                     Kind::kFins, Kind::kHandshakes, Kind::kDatagrams),
                     testing::Values(Policy::kWeightedRoundRobin, Policy::kLeastConnections)));

class FloodOfPorts : public testing::TestWithParam<Kind> {};

TEST_P(FloodOfPorts, LeavesSomeToNewClients) {
  const Kind kind = GetParam();
  World world({.backends = 1, .entries = 1u << 18});
  world.snat = {address("10.20.0.1")};
  world.set_service({.forward = ForwardMode::kFullNat});
  Flood flood(world);
  for (unsigned i = 0; i < 64'512; ++i) flood.send(kind);
  for (unsigned i = 0; i < 10; ++i) {
    EXPECT_EQ(world.establish(client(i)).outcome, Outcome::kCached) << i;
    flood.send(kind);
  }
  for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(world.send(client(i), kAck).outcome, Outcome::kCached);
}
INSTANTIATE_TEST_SUITE_P(EveryKind, FloodOfPorts,
                         testing::Values(Kind::kAcks, Kind::kSynAcks, Kind::kResets, Kind::kSyns,
                                         Kind::kOddSyns, Kind::kFins, Kind::kHandshakes, Kind::kAnsweredSyns,
                                         Kind::kReset));

TEST(Flood, OfAnsweredSynsLeavesTimeForNewcomers) {
  // The table is full of connections that the backends have answered and no client has asked for. A
  // newcomer's entry must be there still when its answer comes, some hundred SYNs later.
  World world({.backends = 4, .entries = 16'384});
  world.set_service({.forward = ForwardMode::kDnat});
  Flood flood(world);
  const auto send = [&](Kind kind, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      flood.send(kind);
      if (i % 10 == 0) ++world.now_ms;
    }
  };
  send(Kind::kAnsweredSyns, 20'000);
  for (unsigned i = 0; i < 50; ++i) {
    const FlowKey reply = world.reply_of(world.send(client(i), kSyn));
    send(Kind::kSyns, 100);
    EXPECT_EQ(world.send(reply, kSyn | kAck).outcome, Outcome::kCached);
    send(Kind::kAnsweredSyns, 100);
    EXPECT_EQ(world.send(client(i), kAck).flow->state, FlowState::kEstablished);
  }
}

}  // namespace
}  // namespace sluice::lb
