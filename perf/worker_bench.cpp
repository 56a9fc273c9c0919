// The worker's own work for a packet, without a device's: parse, steer, balance, rewrite, and the buffers
// before transmission. Packets lie ready in as many buffers as a receive queue has descriptors; the work of
// putting them there and of taking them away, which a NIC does by itself, is `floor`, to be subtracted from
// the others.
#include <benchmark/benchmark.h>
#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/headers.h"
#include "dataplane/tables/capture.h"
#include "perf/known_flows.h"
#include "perf/traffic.h"
#include "perf/worker_rig.h"

namespace sluice::perf {
namespace {

using dataplane::kBurst;
using lb::ForwardMode;

void count(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * kBurst);
}

/// Laying frames ready, and the device that takes them: what the worker does between is left out.
void floor(benchmark::State& state) {
  Source source({.flows = static_cast<uint32_t>(state.range(0))});
  for (auto _ : state) {
    const std::span<rte_mbuf*> burst = source.fill();
    rte_eth_tx_burst(sink().device(), 0, burst.data(), kBurst);
    expect_all_sent();
  }
  count(state);
}

/// What known flows have besides.
struct Extras {
  bool is_accounted = false;
  Rules rules = Rules::kNone;
};

void known(benchmark::State& state, ForwardMode forward, Traffic traffic, const Extras& extras) {
  traffic.flows = static_cast<uint32_t>(state.range(0));
  Source source(traffic);
  Duty duty = duty_of(traffic, forward);
  duty.is_accounted = extras.is_accounted;
  duty.rules = extras.rules;
  WorkerRig rig(duty, Sink::pool(), sink().device());
  introduce(rig, source, traffic.flows);
  uint32_t polls = 0;
  for (auto _ : state) {
    rig.worker().now_ms = ++polls / 1024;
    rig.worker().now_ns = uint64_t{polls} * 1'000;
    work(rig, source.fill());
    expect_all_sent();
  }
  count(state);
}

void known_flow(benchmark::State& state, ForwardMode forward, Traffic traffic) {
  known(state, forward, traffic, {});
}

/// The same while records of flows are read: beside known_flow of the same run.
void accounted_flow(benchmark::State& state, ForwardMode forward, Traffic traffic) {
  known(state, forward, traffic, {.is_accounted = true});
}

/// What a capture of received packets looks at that wants none of those that come.
enum class Unwanted { kOfService, kOfPort, kOfFilter };

dataplane::CaptureWish wish_for(Unwanted unwanted) {
  dataplane::CaptureWish wish;
  if (unwanted == Unwanted::kOfService) wish.service = 1;
  if (unwanted == Unwanted::kOfPort) wish.port = test::kCore;
  if (unwanted == Unwanted::kOfFilter)
    wish.filter = std::move(*dataplane::PacketFilter::compile("tcp port 9"));
  return wish;
}

/// Known flows while a capture runs: beside known_flow of the same run.
void off_filter(benchmark::State& state, Unwanted unwanted) {
  const Traffic traffic{.flows = static_cast<uint32_t>(state.range(0))};
  Source source(traffic);
  Duty duty = duty_of(traffic, ForwardMode::kDnat);
  duty.services = 2;
  WorkerRig rig(duty, Sink::pool(), sink().device());
  const dataplane::Captures captures{{std::make_shared<const dataplane::Capture>(wish_for(unwanted), 1)}};
  rig.worker().watch.adopt(&captures);
  introduce(rig, source, traffic.flows);
  uint32_t polls = 0;
  for (auto _ : state) {
    rig.worker().now_ms = ++polls / 1024;
    work(rig, source.fill());
    expect_all_sent();
  }
  rig.worker().watch.adopt(nullptr);
  count(state);
}

/// The same of a service with an access list and every limit, none of which anything exceeds.
void ruled_flow(benchmark::State& state, ForwardMode forward, Traffic traffic) {
  known(state, forward, traffic, {.rules = Rules::kWide});
}

void by_backends(benchmark::State& state) {
  const Traffic traffic{.flows = 100'000};
  Source source(traffic);
  Duty duty = duty_of(traffic, ForwardMode::kDnat);
  duty.backends = static_cast<unsigned>(state.range(0));
  WorkerRig rig(duty, Sink::pool(), sink().device());
  introduce(rig, source, traffic.flows);
  for (auto _ : state) {
    work(rig, source.fill());
    expect_all_sent();
  }
  count(state);
}

/// Packets of these flows, in a table of so many entries that holds `flows`: the others stay where they are.
void in_table(benchmark::State& state, uint32_t entries, uint32_t flows) {
  constexpr Traffic kSeen{.flows = 10'000};
  Duty duty = duty_of(kSeen, ForwardMode::kDnat);
  duty.flow_table_entries = entries;
  WorkerRig rig(duty, Sink::pool(), sink().device());
  {
    const Traffic all{.flows = flows};
    Source source(all);
    introduce(rig, source, all.flows);
  }
  Source source(kSeen);
  for (auto _ : state) {
    work(rig, source.fill());
    expect_all_sent();
  }
  count(state);
}

void by_range(benchmark::State& state) {
  in_table(state, static_cast<uint32_t>(state.range(0)), 10'000);
}

/// In per cent. A flow of NAT has two entries.
void by_fill(benchmark::State& state) {
  constexpr uint32_t kEntries = 1u << 20;
  in_table(state, kEntries, static_cast<uint32_t>(kEntries / 2 * state.range(0) / 100));
}

/// Every packet a SYN of a flow that is not known, in a table that is full, and of another service than the
/// one before.
void new_flow(benchmark::State& state, ForwardMode forward, lb::Policy policy) {
  const auto services = static_cast<uint32_t>(state.range(0));
  const Traffic traffic{.flows = 2'000'000, .tcp_flags = TcpHeader::kSyn, .services = services};
  Source source(traffic);
  Duty duty = duty_of(traffic, forward);
  duty.policy = policy;
  duty.services = services;
  duty.flow_table_entries = 1u << 20;
  WorkerRig rig(duty, Sink::pool(), sink().device());
  introduce(rig, source, duty.flow_table_entries);
  for (auto _ : state) {
    work(rig, source.fill());
    expect_all_sent();
  }
  count(state);
}

/// Who else is there while established flows are measured.
enum class Others {
  kCalm,     ///< as many established flows
  kStorm,    ///< SYNs, each of a flow that is not known, in a table that they have filled
  kOneSlot,  ///< the same, all of them aimed at one bucket of the table: more than its ways, its seed
             ///< betrayed
};

std::shared_ptr<const Frames> frames_of(Others who, const Traffic& traffic, const Duty& duty,
                                        WorkerRig& rig) {
  if (who != Others::kOneSlot) return frames_of(traffic);
  const lb::FlowTable& table = rig.worker().balancer.flows();
  const size_t mask = std::bit_ceil(lb::FlowTable::buckets_for(duty.flow_table_entries)) - 1;
  std::vector<uint32_t> flows = shuffled_flows(traffic);
  std::erase_if(flows, [&](uint32_t flow) { return (table.hash(make_key(traffic, flow)) & mask) != 0; });
  return make_frames(traffic, flows);
}

/// The time of one poll.
double seconds_of(WorkerRig& rig, std::span<rte_mbuf* const> burst, uint8_t port) {
  const uint64_t before = rte_rdtsc_precise();
  work(rig, burst, port);
  return static_cast<double>(rte_rdtsc_precise() - before) / static_cast<double>(rte_get_tsc_hz());
}

/// A burst of established flows in turn with one of somebody else's: only the first is timed.
void established(benchmark::State& state, Others who) {
  const bool calm = who == Others::kCalm;
  const Traffic good{.flows = 10'000};
  const Traffic other{.flows = calm ? 10'000u : 2'000'000u,
                      .tcp_flags = calm ? TcpHeader::kAck : TcpHeader::kSyn,
                      .first_flow = 1'000'000};
  Duty duty = duty_of(good, ForwardMode::kDnat);
  duty.flow_table_entries = 1u << 17;
  WorkerRig rig(duty, Sink::pool(), sink().device());
  const auto theirs = frames_of(who, other, duty, rig);
  establish(rig, good);
  Source source(good), others(other, theirs);
  introduce(rig, source, good.flows);
  introduce(rig, others, static_cast<uint32_t>(theirs->size()));
  for (auto _ : state) {
    work(rig, others.fill());
    expect_all_sent();
    state.SetIterationTime(seconds_of(rig, source.fill(), test::kEdge));
    expect_all_sent();
  }
  count(state);
}

/// The backends' answers to packets of known flows, which alone are timed.
void known_answer(benchmark::State& state, ForwardMode forward) {
  const Traffic traffic{.flows = static_cast<uint32_t>(state.range(0))};
  Source source(traffic);
  WorkerRig rig(duty_of(traffic, forward), Sink::pool(), sink().device());
  establish(rig, traffic);
  for (auto _ : state) {
    work(rig, source.fill());
    const Burst answers = expect_all_sent();
    for (rte_mbuf* answer : answers) turn_round(answer, TcpHeader::kAck);
    state.SetIterationTime(seconds_of(rig, answers, test::kCore));
    expect_all_sent();
  }
  count(state);
}

/// So many flows take a second to introduce, and the library does it anew whenever it tries how often it has
/// to measure: here it is told. Every flow is met once.
constexpr int64_t kMany = 1'000'000;
constexpr int64_t kBurstsOfMany = kMany / int64_t{kBurst};
constexpr int64_t kBurstsOfNewFlows = 1 << 13;

void register_modes() {
  constexpr Traffic kTcp4{}, kUdp4{.protocol = IpProtocol::kUdp}, kTcp6{.v6 = true};
  using Mode = std::pair<const char*, ForwardMode>;
  for (const auto& [name, forward] : {Mode{"full-nat", ForwardMode::kFullNat},
                                      {"dnat", ForwardMode::kDnat},
                                      {"ipip", ForwardMode::kIpip},
                                      {"gue", ForwardMode::kGue},
                                      {"direct", ForwardMode::kDirect}}) {
    const std::string row = std::string("known_flow/") + name;
    const auto tcp = [&] { return benchmark::RegisterBenchmark(row.c_str(), known_flow, forward, kTcp4); };
    tcp()->Arg(1000);
    tcp()->Arg(kMany)->Iterations(kBurstsOfMany);
    if (forward == ForwardMode::kDnat) {
      tcp()->Arg(10'000)->Arg(100'000);
      tcp()->Arg(4 * kMany)->Iterations(4 * kBurstsOfMany);
    }
    benchmark::RegisterBenchmark((row + "-udp").c_str(), known_flow, forward, kUdp4)->Arg(1000);
    benchmark::RegisterBenchmark((row + "-v6").c_str(), known_flow, forward, kTcp6)->Arg(1000);
  }
}

BENCHMARK(floor)->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Arg(4'000'000);
BENCHMARK_CAPTURE(accounted_flow, dnat, ForwardMode::kDnat, Traffic{})->Arg(1000)->Arg(1'000'000);
BENCHMARK_CAPTURE(off_filter, service, Unwanted::kOfService)->Arg(1000);
BENCHMARK_CAPTURE(off_filter, port, Unwanted::kOfPort)->Arg(1000);
BENCHMARK_CAPTURE(off_filter, filter, Unwanted::kOfFilter)->Arg(1000);
BENCHMARK_CAPTURE(ruled_flow, dnat, ForwardMode::kDnat, Traffic{})->Arg(1000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK_CAPTURE(ruled_flow, dnat_many, ForwardMode::kDnat, Traffic{.many_clients = true})
    ->Arg(1000)
    ->Arg(1'000'000);
BENCHMARK_CAPTURE(known_answer, dnat, ForwardMode::kDnat)->Arg(1000)->Arg(1'000'000)->UseManualTime();
BENCHMARK_CAPTURE(known_answer, full_nat, ForwardMode::kFullNat)->Arg(1000)->UseManualTime();
BENCHMARK(by_backends)->Arg(1)->Arg(10)->Arg(100)->Arg(240);
BENCHMARK(by_range)->Arg(1 << 16)->Arg(1 << 20)->Arg(1 << 23);
BENCHMARK(by_fill)->Arg(10)->Arg(50)->Arg(90)->Arg(99);
BENCHMARK_CAPTURE(new_flow, dnat, ForwardMode::kDnat, lb::Policy::kMaglev)
    ->Arg(1)
    ->Arg(100)
    ->Arg(10'000)
    ->Arg(100'000)
    ->Iterations(kBurstsOfNewFlows);
BENCHMARK_CAPTURE(new_flow, direct, ForwardMode::kDirect, lb::Policy::kMaglev)
    ->Arg(1)
    ->Iterations(kBurstsOfNewFlows);
BENCHMARK_CAPTURE(established, calm, Others::kCalm)->UseManualTime();
BENCHMARK_CAPTURE(established, storm, Others::kStorm)->UseManualTime();
BENCHMARK_CAPTURE(established, storm_on_one_slot, Others::kOneSlot)->UseManualTime();

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  sluice::perf::register_modes();
  sluice::perf::start_eal({argv[0], "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=err",
                           "--file-prefix=sluice-bench", sluice::perf::memory_argument(), "-m", "64"});
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
