#include "dataplane/roles/dataplane.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "dataplane/device/eal.h"
#include "dataplane/device/eal_log.h"
#include "dataplane/device/surroundings.h"
#include "dataplane/roles/dataplane_parts.h"
#include "dataplane/worker/steering.h"

namespace sluice::dataplane {
namespace {

bool ranks_above(NeighborState a, NeighborState b) {
  const auto trust = [](NeighborState state) {
    switch (state) {
      case NeighborState::kFree:
        return 0;
      case NeighborState::kIncomplete:
        return 1;
      case NeighborState::kStale:
        return 2;
      case NeighborState::kReachable:
        return 3;
      case NeighborState::kStatic:
        return 4;
    }
    return 0;
  };
  return trust(a) > trust(b);
}

}  // namespace

DataPlane::DataPlane() = default;

Result<std::unique_ptr<DataPlane>> DataPlane::create(const BootConfig& config) {
  static std::atomic<bool> created{false};
  if (config.workers.empty()) return fail("at least one worker is needed", "/gateway/workers");
  if (config.ports.empty() || config.ports.size() > kMaxPorts) {
    return fail("1 to " + std::to_string(kMaxPorts) + " ports are needed", "/ports");
  }
  if (config.surroundings == nullptr && created.exchange(true))
    return fail("a process has one data plane, and starts it once");

  open_eal_log(config.log);
  auto plane = build(config);
  release_eal_log(!plane);
  return plane;
}

Result<std::unique_ptr<DataPlane>> DataPlane::build(const BootConfig& config) {
  Surroundings* const surroundings = config.surroundings;
  auto started = surroundings != nullptr ? surroundings->start_eal(config) : start_eal(config);
  if (!started) return tl::unexpected(started.error());
  std::unique_ptr<DataPlane> plane(new DataPlane);
  plane->parts_ = std::make_unique<Parts>(config);
  Parts& parts = *plane->parts_;
  const auto built = parts.attach_devices()
                         .and_then([&] { return parts.make_pools(); })
                         .and_then([&] { return parts.set_up_devices(); })
                         .and_then([&] { return parts.make_stations(); })
                         .and_then([&] { return parts.make_ledger(); });
  if (!built) return tl::unexpected(built.error());
  return plane;
}

DataPlane::~DataPlane() {
  stop();
}

std::vector<PortInfo> DataPlane::ports() const {
  std::vector<PortInfo> infos;
  for (size_t i = 0; i < parts_->plans.size(); ++i) {
    const PortPlan& plan = parts_->plans[i];
    infos.push_back({parts_->config.ports[i].name, parts_->macs[i], parts_->config.ports[i].mtu, plan.driver,
                     parts_->watch.link_up(i).load(std::memory_order_relaxed), parts_->taps[i].interface});
  }
  return infos;
}

std::vector<WorkerInfo> DataPlane::workers() const {
  std::vector<WorkerInfo> infos;
  for (unsigned i = 0; i < parts_->stations.size(); ++i) {
    const bool balances = parts_->topology.places[i].balances;
    const Thread& thread = parts_->topology.threads[lcore_of(i)];
    infos.push_back({i, *thread.cpu, row_of(thread.role).name, balances,
                     balances ? parts_->stations[i]->flow_capacity() : 0});
  }
  return infos;
}

std::vector<ThreadInfo> DataPlane::threads() const {
  std::vector<ThreadInfo> infos;
  for (unsigned i = 0; i < parts_->topology.threads.size(); ++i) {
    const Thread& thread = parts_->topology.threads[i];
    const int numa_node = thread.cpu ? static_cast<int>(rte_lcore_to_socket_id(i)) : -1;
    infos.push_back({thread.name(), row_of(thread.role).name, thread.cpu, numa_node});
  }
  return infos;
}

std::vector<RingInfo> DataPlane::rings() const {
  const auto& threads = parts_->topology.threads;
  std::vector<RingInfo> infos;
  for (const Ring& ring : parts_->topology.rings) {
    infos.push_back({row_of(ring.use).name, threads[ring.from].name(), threads[ring.to].name(), ring.size()});
  }
  return infos;
}

std::vector<HashWorkerInfo> DataPlane::hash_workers() const {
  std::vector<HashWorkerInfo> infos;
  for (unsigned i = 0; i < parts_->hash_loops.size(); ++i) {
    const HashWorkerLoop& loop = *parts_->hash_loops[i];
    infos.push_back({static_cast<unsigned>(parts_->stations.size()) + i, parts_->config.hash_workers[i],
                     loop.busy_cycles().read(), loop.idle_cycles().read()});
  }
  return infos;
}

Result<void> DataPlane::start(std::shared_ptr<const Tables> first) {
  if (parts_->published != nullptr) return fail("the data plane has been started before");
  parts_->published = std::make_unique<Published<Tables>>(std::move(first), parts_->stations.size());
  parts_->captures =
      std::make_unique<Published<Captures>>(std::make_shared<const Captures>(), parts_->stations.size());
  if (parts_->ledger_station) {
    if (auto started = parts_->ledger_station->start(parts_->published->current().ingress); !started)
      return started;
  }
  if (auto started = parts_->start_devices(); !started) return started;
  watch_ports({});  // which is never too early
  parts_->running = true;
  return parts_->start_workers();
}

void DataPlane::stop() {
  if (!parts_->running) return;
  parts_->phase.store(Phase::kDraining, std::memory_order_release);
  if (parts_->has_launched_all) {
    parts_->drain();
    if (parts_->ledger_station) parts_->ledger_station->drain();
    parts_->drain();  // the answers of the ledger
  }
  parts_->phase.store(Phase::kStopped, std::memory_order_release);
  if (parts_->config.surroundings != nullptr) parts_->config.surroundings->join();
  rte_eal_mp_wait_lcore();
  if (parts_->ledger_station) parts_->ledger_station->stop();
  parts_->running = false;
}

void DataPlane::publish(std::shared_ptr<const Tables> tables) {
  parts_->published->publish(std::move(tables));
}

bool DataPlane::settled() const {
  return parts_->published->seen_by_all();
}

uint64_t DataPlane::publication() const {
  return parts_->published->version();
}

uint64_t DataPlane::publication_of(unsigned worker) const {
  return parts_->published->seen_by(worker);
}

void DataPlane::capture(std::shared_ptr<const Captures> captures) {
  parts_->captures->publish(std::move(captures));
}

bool DataPlane::captures_settled() const {
  return parts_->captures->seen_by_all();
}

void DataPlane::reclaim() {
  parts_->published->reclaim();
  parts_->captures->reclaim();
}

bool DataPlane::link_up(unsigned port) const {
  return parts_->watch.link_up(port).load(std::memory_order_relaxed);
}

void DataPlane::watch_ports(std::chrono::steady_clock::time_point now) {
  parts_->watch.observe(now);
}

const WorkerStats& DataPlane::stats(unsigned worker) const {
  return parts_->stations[worker]->worker().stats;
}

std::vector<uint64_t> DataPlane::polls() const {
  std::vector<uint64_t> polls;
  for (const auto& station : parts_->stations) polls.push_back(station->worker().stats.polls.read());
  for (unsigned i = 0; i < parts_->hash_loops.size(); ++i) {
    polls.push_back(parts_->ledger_station->hash_worker(i).polls().read());
  }
  return polls;
}

std::span<const lb::TargetCounters> DataPlane::service_counters(unsigned worker) const {
  return parts_->stations[worker]->services();
}

std::span<const lb::TargetCounters> DataPlane::backend_counters(unsigned worker) const {
  return parts_->stations[worker]->backends();
}

std::span<const lb::AnswerCounters> DataPlane::answer_counters(unsigned worker) const {
  return parts_->stations[worker]->answers();
}

lb::HandshakeWatch& DataPlane::handshakes(unsigned worker) {
  return parts_->stations[worker]->handshakes();
}

const lb::HandshakeWatch& DataPlane::handshakes(unsigned worker) const {
  return parts_->stations[worker]->handshakes();
}

DeviceCounters DataPlane::device_counters(unsigned port) const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(parts_->plans[port].device, &stats) != 0) return {};
  return {.missed_packets = stats.imissed + stats.rx_nombuf + parts_->socket_drops[port].read()};
}

std::vector<NeighborRecord> DataPlane::neighbors() const {
  std::vector<NeighborRecord> all;
  for (const auto& station : parts_->stations) {
    const auto known = station->worker().neighbors.snapshot();
    all.insert(all.end(), known.begin(), known.end());
  }
  // Of what several workers know, the one to trust most.
  const auto key = [](const NeighborRecord& one) { return std::pair(one.port, one.address); };
  std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return key(a) != key(b) ? key(a) < key(b) : ranks_above(a.state, b.state);
  });
  all.erase(
      std::unique(all.begin(), all.end(), [&](const auto& a, const auto& b) { return key(a) == key(b); }),
      all.end());
  return all;
}

Notices& DataPlane::notices(unsigned worker) {
  return parts_->stations[worker]->notices();
}

const Notices& DataPlane::notices(unsigned worker) const {
  return parts_->stations[worker]->notices();
}

bool DataPlane::ask(unsigned worker, WorkerRequest& request) {
  return parts_->stations[worker]->requests().push(&request);
}

CheckLanes& DataPlane::checks() {
  return parts_->checks;
}

LedgerPlane* DataPlane::ledger() {
  return parts_->ledger ? &*parts_->ledger : nullptr;
}

std::vector<unsigned> DataPlane::possible_owners(const FlowKey& key) const {
  const WorkerPlace& place = parts_->topology.places.front();
  const unsigned owner = owner_of_flow(parts_->published->current(), place, key);
  if (owner != kWhoeverReceived) return {worker_of_balancer(place, owner)};
  std::vector<unsigned> all;
  for (unsigned i = 0; i < place.balancers; ++i) all.push_back(worker_of_balancer(place, i));
  return all;
}

}  // namespace sluice::dataplane
