// The balancing library unit by unit: Maglev build beside the rule written down plainly, flow and service
// lookups by working set, and the whole decision.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <vector>

#include "lb/balancer.h"
#include "lb/prefix_set.h"
#include "lb/shared_bucket.h"
#include "lb/source_rules.h"
#include "tests/support/naive_maglev.h"

namespace sluice::lb {
namespace {

constexpr SipKey kKey{1, 2};
constexpr unsigned kBurst = 32;
constexpr auto kTcp = IpProtocol::kTcp;

Be16 port(uint32_t number) {
  return Be16::from_host(static_cast<uint16_t>(number));
}

std::vector<WeightedEndpoint> endpoints(size_t count) {
  std::vector<WeightedEndpoint> result;
  for (uint32_t i = 0; i < count; ++i) {
    result.push_back({{IpAddress::v4(Be32::from_host(0xc6120000 + i)), port(8080), kTcp}, 1, i});
  }
  return result;
}

IpAddress vip(uint32_t i) {
  return IpAddress::v4(Be32::from_host(0xcb007100 + i));
}

FlowKey client(uint32_t i) {
  return {IpAddress::v4(Be32::from_host(0xc0000200 + i / 50'000)),
          vip(0),
          port(1024 + i % 50'000),
          port(80),
          kTcp,
          {}};
}

/// Keys of flows 0..count-1 in an order that no prefetcher guesses.
std::vector<FlowKey> shuffled_clients(uint32_t count) {
  std::vector<FlowKey> keys;
  for (uint32_t i = 0; i < count; ++i) keys.push_back(client(i));
  std::shuffle(keys.begin(), keys.end(), std::minstd_rand(1));
  return keys;
}

void count_items(benchmark::State& state, unsigned per_iteration = 1) {
  state.SetItemsProcessed(state.iterations() * per_iteration);
}

void maglev_build(benchmark::State& state) {
  const auto backends = endpoints(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(build_maglev(backends, static_cast<uint32_t>(state.range(1)), kKey));
  }
}

void maglev_build_naive(benchmark::State& state) {
  const auto backends = endpoints(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(test::naive_maglev(backends, static_cast<uint64_t>(state.range(1)), kKey));
  }
}

void maglev_sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"backends", "slots"})->Unit(benchmark::kMillisecond);
  for (const auto& [backends, slots] :
       {std::pair{10, 1021}, {100, 65537}, {600, 65537}, {1000, 131101}, {10'000, 1048583}}) {
    bench->Args({backends, slots});
  }
}
BENCHMARK(maglev_build)->Apply(maglev_sizes);
BENCHMARK(maglev_build_naive)->Apply(maglev_sizes);

struct Flows {
  explicit Flows(size_t count)
      : entries(count),
        addresses6(count),
        buckets(FlowTable::buckets_for(count)),
        table(entries, addresses6, buckets, 1) {}
  std::vector<FlowEntry> entries;
  std::vector<Addresses6> addresses6;
  std::vector<FlowTable::Bucket> buckets;
  FlowTable table;
};

void flow_hash(benchmark::State& state) {
  const Flows flows(8);
  const FlowKey key = client(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(&key);
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(flows.table.hash(key));
  }
}
BENCHMARK(flow_hash);

/// Lookups burst by burst, as a worker does them: hash and fetch buckets, fetch entries, then look.
void flow_find(benchmark::State& state, bool is_known) {
  const auto count = static_cast<uint32_t>(state.range(0));
  Flows flows(std::max<size_t>(count, 1u << 20));
  auto keys = shuffled_clients(count);
  for (const FlowKey& key : keys) {
    flows.table.insert(key, flows.table.hash(key), FlowState::kEstablished, 0,
                       FlowTable::Eviction::kUnanswered, [](const FlowEntry&) {});
  }
  if (!is_known) {
    for (FlowKey& key : keys) key.destination_port = port(81);
  }
  size_t next = 0;
  for (auto _ : state) {
    std::array<uint64_t, kBurst> hash;
    for (unsigned i = 0; i < kBurst; ++i) {
      hash[i] = flows.table.hash(keys[next + i]);
      flows.table.prefetch_bucket(hash[i]);
    }
    for (unsigned i = 0; i < kBurst; ++i) benchmark::DoNotOptimize(flows.table.candidate(hash[i]));
    for (unsigned i = 0; i < kBurst; ++i) {
      benchmark::DoNotOptimize(flows.table.find(keys[next + i], hash[i]));
    }
    next = next + 2 * kBurst <= keys.size() ? next + kBurst : 0;
  }
  count_items(state, kBurst);
}
BENCHMARK_CAPTURE(flow_find, hit, true)->Arg(1000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK_CAPTURE(flow_find, miss, false)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

void service_find(benchmark::State& state) {
  std::vector<ServiceMatch> matches;
  for (uint32_t i = 0; i < static_cast<uint32_t>(state.range(0)); ++i) {
    matches.push_back({{vip(i), 32}, 80, 80, kTcp, i});
  }
  std::shuffle(matches.begin(), matches.end(), std::minstd_rand(1));
  const auto table = ServiceTable::build(matches);
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table->find(matches[next].address.address, port(80), kTcp));
    next = next + 1 < matches.size() ? next + 1 : 0;
  }
  count_items(state);
}
BENCHMARK(service_find)->Arg(1)->Arg(100)->Arg(1000)->Arg(10'000)->Arg(100'000);

/// One service over 100 backends.
struct Gateway {
  Gateway(Policy policy, ForwardMode forward, size_t flows)
      : entries(flows), buckets(FlowTable::buckets_for(flows)) {
    const auto eligible = endpoints(100);
    for (const auto& each : eligible) {
      backends.push_back({each.endpoint.address, each.endpoint.port, BackendState::kActive, true, 1});
    }
    pool = PoolTable::build(0, eligible, 65537, kKey, {.schedule = true});
    services.push_back({pool.get(), policy, forward, kTcp, 300'000});
    const std::vector<ServiceMatch> matches = {{{vip(0), 32}, 80, 80, kTcp, 0}};
    service_table = ServiceTable::build(matches);
    balancer = std::make_unique<Balancer>(
        Balancer::Memory{entries, addresses6, buckets, service_counters, backend_counters, cursors, answers},
        PortSlice{}, 1);
  }
  View view() const { return {service_table.get(), services, backends, kKey, snat}; }

  std::vector<FlowEntry> entries;
  std::vector<Addresses6> addresses6;
  std::vector<FlowTable::Bucket> buckets;
  std::vector<TargetCounters> service_counters = std::vector<TargetCounters>(1);
  std::vector<TargetCounters> backend_counters = std::vector<TargetCounters>(100);
  std::vector<AnswerCounters> answers = std::vector<AnswerCounters>(1);
  std::vector<uint32_t> cursors = std::vector<uint32_t>(1);
  std::vector<IpAddress> snat = {IpAddress::v4(Be32::from_host(0xc6130001)),
                                 IpAddress::v4(Be32::from_host(0xc6130002))};
  std::vector<Backend> backends;
  std::vector<Service> services;
  std::shared_ptr<const PoolTable> pool;
  std::unique_ptr<const ServiceTable> service_table;
  std::unique_ptr<Balancer> balancer;
};

/// Balances the keys burst by burst, over and over, with those TCP flags.
void run(benchmark::State& state, Gateway& gateway, const std::vector<FlowKey>& keys, uint8_t tcp_flags) {
  const View view = gateway.view();
  FlowTable& flows = gateway.balancer->flows();
  size_t next = 0;
  uint32_t now_ms = 0;
  for (auto _ : state) {
    std::array<uint64_t, kBurst> hash;
    for (unsigned i = 0; i < kBurst; ++i) {
      hash[i] = flows.hash(keys[next + i]);
      flows.prefetch_bucket(hash[i]);
    }
    for (unsigned i = 0; i < kBurst; ++i) benchmark::DoNotOptimize(flows.candidate(hash[i]));
    for (unsigned i = 0; i < kBurst; ++i) {
      benchmark::DoNotOptimize(
          gateway.balancer->balance(view, keys[next + i], hash[i], {tcp_flags, 64}, now_ms));
    }
    next = next + 2 * kBurst <= keys.size() ? next + kBurst : 0;
    if (next == 0) ++now_ms;
  }
  count_items(state, kBurst);
}

void balance_known(benchmark::State& state) {
  const auto keys = shuffled_clients(static_cast<uint32_t>(state.range(0)));
  Gateway gateway(Policy::kMaglev, ForwardMode::kDirect, std::max<size_t>(keys.size(), 1u << 20));
  for (const FlowKey& key : keys) {
    gateway.balancer->balance(gateway.view(), key, gateway.balancer->flows().hash(key), {TcpHeader::kAck, 64},
                              0);
  }
  run(state, gateway, keys, TcpHeader::kAck);
}
BENCHMARK(balance_known)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

/// Addresses that lie anywhere, most of them in no prefix, as an access list of so many meets them.
void prefix_match(benchmark::State& state) {
  std::minstd_rand random(1);
  std::vector<Prefix> prefixes;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const auto length = static_cast<uint8_t>(20 + random() % 13);
    prefixes.push_back(
        Prefix{IpAddress::v4(Be32::from_host(static_cast<uint32_t>(random() * 2))), length}.network());
  }
  const auto set = PrefixSet::build(prefixes);
  std::vector<IpAddress> sources;
  for (unsigned i = 0; i < (1u << 16); ++i) {
    sources.push_back(IpAddress::v4(Be32::from_host(static_cast<uint32_t>(random() * 2))));
  }
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(set->longest_match(sources[next++ % sources.size()]));
  count_items(state);
}
BENCHMARK(prefix_match)->Arg(10)->Arg(10'000)->Arg(1'000'000);

/// A packet that a limit counts: most take from the worker's lease.
void limit_take(benchmark::State& state) {
  SharedBucket bucket(Rate::of(1e9, 1'000'000), 3);
  uint64_t now_ns = 0;
  for (auto _ : state) benchmark::DoNotOptimize(bucket.take(0, now_ns += 10));
  count_items(state);
}
BENCHMARK(limit_take);

/// The same of a limit that is used up.
void limit_refuse(benchmark::State& state) {
  SharedBucket bucket(Rate::of(1, 1), 3);
  uint64_t now_ns = 0;
  for (auto _ : state) benchmark::DoNotOptimize(bucket.take(0, ++now_ns));
  count_items(state);
}
BENCHMARK(limit_refuse);

/// A packet or flow of one of so many sources that are limited apart.
void source_take(benchmark::State& state) {
  const SourceRate rate(Rate::of(1000, 1000), std::make_shared<SourceTable>(1u << 20));
  std::minstd_rand random(1);
  std::vector<uint64_t> hashes;
  for (int64_t i = 0; i < state.range(0); ++i)
    hashes.push_back(uint64_t{random()} << 32 ^ random() * 0x9e3779b9u);
  uint64_t now_ns = 0;
  // The kernel gives a page of the table when it is first touched, which takes far longer than the rest.
  for (const uint64_t hash : hashes) rate.take(hash, now_ns);
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(rate.take(hashes[next++ % hashes.size()], now_ns += 10));
  count_items(state);
}
BENCHMARK(source_take)->Arg(100)->Arg(100'000);

/// Every packet a SYN of another flow, in a table that is full: what a flood costs.
void balance_storm(benchmark::State& state, Policy policy, ForwardMode forward) {
  Gateway gateway(policy, forward, 1u << 16);
  run(state, gateway, shuffled_clients(1'000'000), TcpHeader::kSyn);
}
BENCHMARK_CAPTURE(balance_storm, maglev_direct, Policy::kMaglev, ForwardMode::kDirect);
BENCHMARK_CAPTURE(balance_storm, round_robin_direct, Policy::kWeightedRoundRobin, ForwardMode::kDirect);
BENCHMARK_CAPTURE(balance_storm, two_choices_direct, Policy::kTwoChoices, ForwardMode::kDirect);
BENCHMARK_CAPTURE(balance_storm, least_connections_direct, Policy::kLeastConnections, ForwardMode::kDirect);
BENCHMARK_CAPTURE(balance_storm, maglev_dnat, Policy::kMaglev, ForwardMode::kDnat);
BENCHMARK_CAPTURE(balance_storm, maglev_full_nat, Policy::kMaglev, ForwardMode::kFullNat);

}  // namespace
}  // namespace sluice::lb

BENCHMARK_MAIN();
