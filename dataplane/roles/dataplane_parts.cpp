#include "dataplane/roles/dataplane_parts.h"

#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <array>

#include "dataplane/device/eal.h"
#include "dataplane/device/eal_log.h"
#include "dataplane/device/surroundings.h"
#include "dataplane/worker/packet_pool.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kDrainPatienceMs = 1000;
constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

template <typename Loop>
int run_loop(void* loop) {
  static_cast<Loop*>(loop)->run();
  return 0;
}

/// Packets of a hash worker: every job may hold two, and an lcore of its own has a cache.
constexpr unsigned kHashPackets = 2 * kHashJobs + 512;

bool carries_packets(RingUse use) {
  return use == RingUse::kPackets || use == RingUse::kFrames || use == RingUse::kTransactions ||
         use == RingUse::kAnswers;
}

/// The worker that runs as an lcore.
unsigned worker_at(unsigned thread) {
  return thread - lcore_of(0);
}

void free_packets(PacketRing& ring) {
  for (rte_mbuf* packet = nullptr; ring.pop({&packet, 1}) == 1;) rte_pktmbuf_free(packet);
}

}  // namespace

DataPlane::Parts::~Parts() {
  for (const auto& ring : rings) {
    if (ring != nullptr) free_packets(*ring);
  }
  loops.clear();
  hash_loops.clear();
  ledger_station.reset();
  stations.clear();
  for (const KernelTap& tap : taps) {
    if (tap.queues > 0) close_device(tap.device);
  }
  for (const PortPlan& plan : plans) close_device(plan.device);
  for (const auto& [node, pool] : pools) rte_mempool_free(pool);
  if (config.surroundings != nullptr) return;
  stop_eal();
  close_eal_log();
}

Result<void> DataPlane::Parts::attach_devices() {
  const auto receivers = static_cast<unsigned>(config.workers.size());
  const auto workers = receivers + static_cast<unsigned>(config.lb_workers.size());
  for (const PortConfig& port : config.ports) {
    auto plan = attach_device(port, receivers, workers, config.surroundings);
    if (!plan) return tl::unexpected(plan.error());
    plans.push_back(std::move(*plan));
    watch.add(port, plans.back().device);
    socket_drops.emplace_back(plans.back().device);
    devices.push_back({plans.back().device, plans.back().tx_queues, &watch.link_up(plans.size() - 1)});
  }
  topology = plan_topology(config, plans);
  return {};
}

Result<void> DataPlane::Parts::make_pools() {
  uint16_t largest_mtu = 0;
  for (const PortConfig& port : config.ports) largest_mtu = std::max(largest_mtu, port.mtu);
  unsigned in_rings = 0;
  for (const Ring& ring : topology.rings) {
    if (carries_packets(ring.use)) in_rings += static_cast<unsigned>(ring.size());
  }
  for (const PortPlan& plan : plans) {
    if (pools.contains(plan.numa_node)) continue;
    std::vector<PortPlan> local;
    std::copy_if(plans.begin(), plans.end(), std::back_inserter(local),
                 [&](const PortPlan& other) { return other.numa_node == plan.numa_node; });
    PoolSize size = pool_size(local, topology.workers(), in_rings, largest_mtu);
    size.packets += static_cast<unsigned>(topology.hash_threads.size()) * kHashPackets;
    const auto pool = make_packet_pool(size, plan.numa_node, plan.device);
    if (!pool) return tl::unexpected(pool.error());
    pools[plan.numa_node] = *pool;
  }
  return {};
}

rte_mempool* DataPlane::Parts::pool_of(int numa_node) const {
  const auto found = pools.find(numa_node);
  return found == pools.end() ? pools.begin()->second : found->second;
}

Result<void> DataPlane::Parts::set_up_devices() {
  for (unsigned i = 0; i < plans.size(); ++i) {
    rte_mempool* const pool = pool_of(plans[i].numa_node);
    const auto mac = set_up_device(plans[i], config.ports[i], i, pool);
    if (!mac) return tl::unexpected(mac.error());
    macs.push_back(*mac);
    KernelTap tap;
    if (config.ports[i].kernel) {
      auto opened = open_kernel_tap(config.ports[i], i, *mac, topology.workers(), pool);
      if (!opened) return tl::unexpected(opened.error());
      tap = std::move(*opened);
    }
    tap_devices.push_back({tap.device, tap.queues});
    taps.push_back(std::move(tap));
  }
  return {};
}

Result<std::array<uint64_t, 2>> DataPlane::Parts::draw_seeds() const {
  std::array<uint64_t, 2> seeds;
  if (config.surroundings != nullptr) {
    for (uint64_t& seed : seeds) seed = config.surroundings->seed();
  } else if (getrandom(&seeds, sizeof seeds, 0) != sizeof seeds) {
    return fail("no random seed from the kernel");
  }
  return seeds;
}

Result<void> DataPlane::Parts::make_stations() {
  const auto seeds = draw_seeds();
  if (!seeds) return tl::unexpected(seeds.error());
  if (auto made = make_flow_counts(); !made) return made;
  make_rings();
  for (unsigned i = 0; i < topology.workers(); ++i) {
    const auto node = static_cast<int>(rte_lcore_to_socket_id(lcore_of(i)));
    const auto to_transmit = rings_at(lcore_of(i), &Ring::from, RingUse::kFrames);  // one at most
    auto station = Station::create({.place = topology.places[i],
                                    .numa_node = node,
                                    .flow_table_entries = config.flow_table_entries,
                                    .flow_hash_seed = (*seeds)[0],
                                    .neighbor_seed = (*seeds)[1],
                                    .pool = pool_of(node),
                                    .receive_queues = topology.receive_queues[i],
                                    .devices = devices,
                                    .taps = tap_devices,
                                    .to_transmit = to_transmit.empty() ? nullptr : to_transmit.front(),
                                    .checks = topology.places[i].balances ? &checks.add() : nullptr,
                                    .limits = config.limits,
                                    .flow_counts = {service_flows.elements(), backend_flows.elements()}});
    if (!station) return tl::unexpected(station.error());
    stations.push_back(std::move(*station));
  }
  connect_stations();
  return {};
}

/// Shared by all workers, whatever their nodes.
Result<void> DataPlane::Parts::make_flow_counts() {
  auto services = MappedArray<lb::SharedCount>::create(lb::kMaxServices, -1, false);
  if (!services) return tl::unexpected(services.error());
  auto backends = MappedArray<lb::SharedCount>::create(lb::kMaxBackends, -1, false);
  if (!backends) return tl::unexpected(backends.error());
  service_flows = std::move(*services);
  backend_flows = std::move(*backends);
  return {};
}

Result<void> DataPlane::Parts::make_ledger() {
  if (!config.ledger) return {};
  std::vector<uint16_t> port_mtus;
  for (const PortConfig& port : config.ports) port_mtus.push_back(port.mtu);
  std::vector<int> nodes;
  std::vector<rte_mempool*> local_pools;
  for (const unsigned thread : topology.hash_threads) {
    nodes.push_back(static_cast<int>(rte_lcore_to_socket_id(thread)));
    local_pools.push_back(pool_of(nodes.back()));
  }
  Surroundings* const surroundings = config.surroundings;
  auto made =
      LedgerStation::create({.config = *config.ledger,
                             .files = surroundings != nullptr ? surroundings->ledger_files() : ledger_files,
                             .pools = local_pools,
                             .port_mtus = port_mtus,
                             .numa_node = nodes.front(),
                             .surroundings = surroundings});
  if (!made) return tl::unexpected(made.error());
  ledger_station = std::move(*made);
  ledger.emplace(*ledger_station);
  connect_ledger();
  return {};
}

void DataPlane::Parts::connect_ledger() {
  for (unsigned i = 0; i < config.workers.size(); ++i) {
    Worker& worker = stations[i]->worker();
    ledger_station->connect(worker, rings_at(lcore_of(i), &Ring::from, RingUse::kTransactions),
                            rings_at(lcore_of(i), &Ring::to, RingUse::kAnswers));
    if (topology.hashes_in_place()) worker.hash = &ledger_station->hash_worker(i);
  }
}

void DataPlane::Parts::make_rings() {
  for (const Ring& ring : topology.rings) {
    rings.push_back(carries_packets(ring.use) ? std::make_unique<PacketRing>(ring.size()) : nullptr);
  }
}

std::vector<PacketRing*> DataPlane::Parts::rings_at(unsigned thread, unsigned Ring::*end, RingUse use) const {
  std::vector<PacketRing*> found;
  for (size_t i = 0; i < rings.size(); ++i) {
    const Ring& ring = topology.rings[i];
    if (ring.use == use && ring.*end == thread) found.push_back(rings[i].get());
  }
  return found;
}

void DataPlane::Parts::connect_stations() {
  for (const auto& station : stations) {
    Worker& worker = station->worker();
    for (auto* table : {&worker.to_worker, &worker.from_worker, &worker.to_transmit, &worker.from_transmit}) {
      table->resize(stations.size());
    }
  }
  for (size_t i = 0; i < rings.size(); ++i) {
    const Ring& ring = topology.rings[i];
    if (ring.use != RingUse::kPackets && ring.use != RingUse::kFrames) continue;
    const unsigned from = worker_at(ring.from), to = worker_at(ring.to);
    Worker& source = stations[from]->worker();
    Worker& target = stations[to]->worker();
    const bool is_finished = ring.use == RingUse::kFrames;
    (is_finished ? source.to_transmit : source.to_worker)[to] = rings[i].get();
    (is_finished ? target.from_transmit : target.from_worker)[from] = rings[i].get();
  }
}

Result<void> DataPlane::Parts::start_devices() {
  for (unsigned i = 0; i < plans.size(); ++i) {
    if (auto started = start_device(plans[i], config.ports[i]); !started) return started;
    if (taps[i].queues == 0) continue;
    if (auto started = start_kernel_tap(taps[i], config.ports[i]); !started) return started;
  }
  return {};
}

Result<void> DataPlane::Parts::make_rests() {
  if (config.idle == IdleMode::kPoll) return {};
  for (const auto& station : stations) {
    auto rest = WorkerRest::create(station->worker(), taps);
    if (!rest) return tl::unexpected(rest.error());
    rests.push_back(std::move(*rest));
  }
  return {};
}

Result<void> DataPlane::Parts::launch(unsigned worker) {
  WorkerRest* const rest = rests.empty() ? nullptr : rests[worker].get();
  const auto make = [&](std::optional<uint64_t> cycles_per_second) -> WorkerLoop& {
    loops.push_back(std::make_unique<WorkerLoop>(stations[worker]->worker(), published->reader(worker),
                                                 captures->reader(worker), taps, phase, rest,
                                                 cycles_per_second));
    return *loops.back();
  };
  if (config.surroundings != nullptr) {
    config.surroundings->launch(make(kNanosecondsPerSecond));
  } else if (rte_eal_remote_launch(run_loop<WorkerLoop>, &make({}), lcore_of(worker)) != 0) {
    return fail("worker " + std::to_string(worker) + " does not start");
  }
  return {};
}

Result<void> DataPlane::Parts::start_workers() {
  if (auto made = make_rests(); !made) return made;
  for (unsigned i = 0; i < stations.size(); ++i) {
    if (auto launched = launch(i); !launched) return launched;
  }
  if (ledger_station) {
    if (auto started = start_hash_workers(); !started) return started;
  }
  has_launched_all = true;
  return {};
}

Result<void> DataPlane::Parts::start_hash_workers() {
  if (topology.hashes_in_place()) return {};
  Surroundings* const surroundings = config.surroundings;
  const std::optional<uint64_t> cycles_per_second =
      surroundings != nullptr ? std::optional(kNanosecondsPerSecond) : std::nullopt;
  for (unsigned i = 0; i < topology.hash_threads.size(); ++i) {
    hash_loops.push_back(std::make_unique<HashWorkerLoop>(ledger_station->hash_worker(i), phase, config.idle,
                                                          cycles_per_second));
    if (surroundings != nullptr) {
      surroundings->launch(*hash_loops.back());
      continue;
    }
    if (rte_eal_remote_launch(run_loop<HashWorkerLoop>, hash_loops.back().get(), topology.hash_threads[i]) !=
        0) {
      return fail("hash worker " + std::to_string(i) + " does not start");
    }
  }
  return {};
}

bool DataPlane::Parts::rings_are_empty() const {
  return std::all_of(rings.begin(), rings.end(),
                     [](const auto& ring) { return ring == nullptr || ring->size() == 0; });
}

void DataPlane::Parts::sleep_a_millisecond() const {
  constexpr long kNanoseconds = 1'000'000;
  if (config.surroundings != nullptr)
    return config.surroundings->sleep(std::chrono::nanoseconds(kNanoseconds));
  const timespec duration{0, kNanoseconds};
  nanosleep(&duration, nullptr);
}

void DataPlane::Parts::drain() const {
  // A packet may be in a worker's hands while every ring is empty: look twice, two polls of everybody apart.
  bool were_empty = false;
  for (unsigned waited_ms = 0; waited_ms < kDrainPatienceMs;) {
    for (const auto& station : stations) {
      const Counter& polls = station->worker().stats.polls;
      const uint64_t enough = polls.read() + 2;
      for (; polls.read() < enough && waited_ms < kDrainPatienceMs; ++waited_ms) sleep_a_millisecond();
    }
    const bool are_empty = rings_are_empty();
    if (are_empty && were_empty) return;
    were_empty = are_empty;
  }
}

}  // namespace sluice::dataplane
