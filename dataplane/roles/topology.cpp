#include "dataplane/roles/topology.h"

#include <algorithm>

namespace sluice::dataplane {
namespace {

std::vector<Topology::Runner> plan_runners(const BootConfig& config, std::span<const PortPlan> ports) {
  const auto receivers = static_cast<unsigned>(config.workers.size());
  const auto balancers = static_cast<unsigned>(config.lb_workers.size());
  const bool splits_flows =
      std::any_of(ports.begin(), ports.end(), [](const auto& p) { return p.splits_flows; });
  std::vector<Topology::Runner> runners;
  for (unsigned i = 0; i < receivers + balancers; ++i) {
    const bool receives = i < receivers;
    WorkerPlace place;
    place.index = i;
    place.receives = receives;
    place.balances = balancers == 0 || !receives;
    place.balancer = receives ? i : i - receivers;
    place.balancers = balancers == 0 ? receivers : balancers;
    place.rx_workers = receivers;
    place.owns_by_client = balancers > 0 || splits_flows;
    runners.push_back({place, receives ? config.workers[i] : config.lb_workers[i - receivers]});
  }
  return runners;
}

/// Where no CPU is given to hashing, every rx worker hashes what it receives.
std::vector<Topology::HashRunner> plan_hash_runners(const BootConfig& config, unsigned workers) {
  std::vector<Topology::HashRunner> runners;
  if (!config.ledger) return runners;
  for (const unsigned cpu : config.hash_workers) {
    runners.push_back({workers + static_cast<unsigned>(runners.size()), cpu, false});
  }
  if (!runners.empty()) return runners;
  for (unsigned i = 0; i < config.workers.size(); ++i) runners.push_back({i, config.workers[i], true});
  return runners;
}

}  // namespace

Topology plan_topology(const BootConfig& config, std::span<const PortPlan> ports) {
  Topology topology;
  topology.runners = plan_runners(config, ports);
  const size_t workers = topology.runners.size();
  topology.hash_runners = plan_hash_runners(config, static_cast<unsigned>(workers));
  topology.receive_queues.resize(workers);
  unsigned everywhere = static_cast<unsigned>(workers);  // workers below have a TX queue on every device
  for (size_t port = 0; port < ports.size(); ++port) {
    for (uint16_t queue = 0; queue < ports[port].rx_queues; ++queue) {
      topology.receive_queues[queue % config.workers.size()].push_back(
          {ports[port].device, queue, static_cast<uint8_t>(port)});
    }
    everywhere = std::min<unsigned>(everywhere, ports[port].tx_queues);
  }
  for (unsigned from = 0; from < workers; ++from) {
    for (unsigned to = 0; to < workers; ++to) {
      const WorkerPlace& source = topology.runners[from].place;
      const WorkerPlace& target = topology.runners[to].place;
      if (from != to && (source.receives || target.balances)) topology.packet_rings.push_back({from, to});
    }
    if (from >= everywhere) topology.transmit_rings.push_back({from, from % everywhere});
  }
  return topology;
}

}  // namespace sluice::dataplane
