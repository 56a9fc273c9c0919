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
#include "dataplane/worker/packet_pool.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kRingSize = 512;
constexpr unsigned kDrainPatienceMs = 1000;

template <typename Loop>
int run_loop(void* loop) {
  static_cast<Loop*>(loop)->run();
  return 0;
}

/// Packets of a hash worker: every job may hold two, and an lcore of its own has a cache.
constexpr unsigned kHashPackets = 2 * kHashJobs + 512;

void sleep_a_millisecond() {
  const timespec duration{0, 1'000'000};
  nanosleep(&duration, nullptr);
}

void free_packets(PacketRing& ring) {
  for (rte_mbuf* packet = nullptr; ring.pop({&packet, 1}) == 1;) rte_pktmbuf_free(packet);
}

}  // namespace

DataPlane::Parts::~Parts() {
  for (const auto& ring : rings) free_packets(*ring);
  loops.clear();
  hash_loops.clear();
  ledger_station.reset();
  stations.clear();
  for (const KernelTap& tap : taps) {
    if (tap.queues > 0) close_device(tap.device);
  }
  for (const PortPlan& plan : plans) close_device(plan.device);
  for (const auto& [node, pool] : pools) rte_mempool_free(pool);
  stop_eal();
  close_eal_log();
}

Result<void> DataPlane::Parts::attach_devices() {
  const auto receivers = static_cast<unsigned>(config.workers.size());
  const auto workers = receivers + static_cast<unsigned>(config.lb_workers.size());
  for (const PortConfig& port : config.ports) {
    auto plan = attach_device(port, receivers, workers);
    if (!plan) return tl::unexpected(plan.error());
    plans.push_back(std::move(*plan));
    watch.add(port, plans.back().device);
    devices.push_back({plans.back().device, plans.back().tx_queues, &watch.link_up(plans.size() - 1)});
  }
  topology = plan_topology(config, plans);
  return {};
}

Result<void> DataPlane::Parts::make_pools() {
  uint16_t largest_mtu = 0;
  for (const PortConfig& port : config.ports) largest_mtu = std::max(largest_mtu, port.mtu);
  const auto ring_count =
      static_cast<unsigned>(topology.packet_rings.size() + topology.transmit_rings.size() +
                            2 * topology.hash_runners.size() * config.workers.size());
  for (const PortPlan& plan : plans) {
    if (pools.contains(plan.numa_node)) continue;
    std::vector<PortPlan> local;
    std::copy_if(plans.begin(), plans.end(), std::back_inserter(local),
                 [&](const PortPlan& other) { return other.numa_node == plan.numa_node; });
    const auto workers = static_cast<unsigned>(topology.runners.size());
    PoolSize size = pool_size(local, workers, ring_count, kRingSize, largest_mtu);
    size.packets += static_cast<unsigned>(topology.hash_runners.size()) * kHashPackets;
    const auto pool = make_packet_pool(size, plan.numa_node);
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
      auto opened =
          open_kernel_tap(config.ports[i], i, *mac, static_cast<unsigned>(topology.runners.size()), pool);
      if (!opened) return tl::unexpected(opened.error());
      tap = std::move(*opened);
    }
    tap_devices.push_back({tap.device, tap.queues});
    taps.push_back(std::move(tap));
  }
  return {};
}

Result<void> DataPlane::Parts::make_stations() {
  std::array<uint64_t, 2> seeds;
  if (getrandom(&seeds, sizeof seeds, 0) != sizeof seeds) return fail("no random seed from the kernel");
  const size_t workers = topology.runners.size();
  std::vector<PacketRing*> to_transmit(workers);
  for (const Topology::Link& link : topology.transmit_rings) to_transmit[link.from] = add_ring();
  for (unsigned i = 0; i < workers; ++i) {
    const auto node = static_cast<int>(rte_lcore_to_socket_id(lcore_of(i)));
    auto station = Station::create({.place = topology.runners[i].place,
                                    .numa_node = node,
                                    .flow_table_entries = config.flow_table_entries,
                                    .flow_hash_seed = seeds[0],
                                    .neighbor_seed = seeds[1],
                                    .pool = pool_of(node),
                                    .receive_queues = topology.receive_queues[i],
                                    .devices = devices,
                                    .taps = tap_devices,
                                    .to_transmit = to_transmit[i],
                                    .checks = topology.runners[i].place.balances ? &checks.add() : nullptr,
                                    .limits = config.limits});
    if (!station) return tl::unexpected(station.error());
    stations.push_back(std::move(*station));
  }
  connect_stations(to_transmit);
  return {};
}

Result<void> DataPlane::Parts::make_ledger() {
  if (!config.ledger) return {};
  std::vector<uint16_t> port_mtus;
  for (const PortConfig& port : config.ports) port_mtus.push_back(port.mtu);
  std::vector<int> nodes;
  std::vector<rte_mempool*> local_pools;
  for (const Topology::HashRunner& runner : topology.hash_runners) {
    nodes.push_back(static_cast<int>(rte_lcore_to_socket_id(lcore_of(runner.runner))));
    local_pools.push_back(pool_of(nodes.back()));
  }
  auto made = LedgerStation::create({.config = *config.ledger,
                                     .files = ledger_files,
                                     .pools = local_pools,
                                     .port_mtus = port_mtus,
                                     .numa_node = nodes.front()});
  if (!made) return tl::unexpected(made.error());
  ledger_station = std::move(*made);
  ledger.emplace(*ledger_station);
  connect_ledger();
  return {};
}

void DataPlane::Parts::connect_ledger() {
  for (size_t i = 0; i < config.workers.size(); ++i) {
    std::vector<PacketRing*> to_hash, from_hash;
    for (size_t j = 0; j < topology.hash_runners.size(); ++j) {
      to_hash.push_back(add_ring());
      from_hash.push_back(add_ring());
    }
    Worker& worker = stations[i]->worker();
    ledger_station->connect(worker, to_hash, from_hash);
    if (topology.hash_runners.front().is_in_place) {
      worker.hash = &ledger_station->hash_worker(static_cast<unsigned>(i));
    }
  }
}

PacketRing* DataPlane::Parts::add_ring() {
  rings.push_back(std::make_unique<PacketRing>(kRingSize));
  return rings.back().get();
}

void DataPlane::Parts::connect_stations(const std::vector<PacketRing*>& to_transmit) {
  for (const auto& station : stations) {
    Worker& worker = station->worker();
    for (auto* table : {&worker.to_worker, &worker.from_worker, &worker.to_transmit, &worker.from_transmit}) {
      table->resize(stations.size());
    }
  }
  for (const Topology::Link& link : topology.transmit_rings) {
    stations[link.from]->worker().to_transmit[link.to] = to_transmit[link.from];
    stations[link.to]->worker().from_transmit[link.from] = to_transmit[link.from];
  }
  for (const Topology::Link& link : topology.packet_rings) {
    PacketRing* const ring = add_ring();
    stations[link.from]->worker().to_worker[link.to] = ring;
    stations[link.to]->worker().from_worker[link.from] = ring;
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

Result<void> DataPlane::Parts::start_workers() {
  if (auto made = make_rests(); !made) return made;
  for (unsigned i = 0; i < stations.size(); ++i) {
    Worker& worker = stations[i]->worker();
    WorkerRest* const rest = rests.empty() ? nullptr : rests[i].get();
    loops.push_back(std::make_unique<WorkerLoop>(worker, published->reader(i), taps, phase, rest));
    if (rte_eal_remote_launch(run_loop<WorkerLoop>, loops.back().get(), lcore_of(i)) != 0) {
      return fail("worker " + std::to_string(i) + " does not start");
    }
  }
  if (ledger_station) {
    if (auto started = start_hash_workers(); !started) return started;
  }
  has_launched_all = true;
  return {};
}

Result<void> DataPlane::Parts::start_hash_workers() {
  for (unsigned i = 0; i < topology.hash_runners.size(); ++i) {
    const Topology::HashRunner& runner = topology.hash_runners[i];
    if (runner.is_in_place) continue;
    hash_loops.push_back(
        std::make_unique<HashWorkerLoop>(ledger_station->hash_worker(i), phase, config.idle));
    if (rte_eal_remote_launch(run_loop<HashWorkerLoop>, hash_loops.back().get(), lcore_of(runner.runner)) !=
        0) {
      return fail("hash worker " + std::to_string(i) + " does not start");
    }
  }
  return {};
}

bool DataPlane::Parts::rings_are_empty() const {
  return std::all_of(rings.begin(), rings.end(), [](const auto& ring) { return ring->size() == 0; });
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
