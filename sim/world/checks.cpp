// The connections of a simulated world, and what must hold for them and for the gateway.
#include <algorithm>
#include <set>

#include "ctrl/store/traffic_totals.h"
#include "sim/world/world.h"

namespace sluice::sim {
namespace {

constexpr uint64_t kMostWaiting = 4096;  ///< packets that may wait for neighbors, or between workers
constexpr unsigned kNewcomer = 98;  ///< gateways' ports come first on the clients' link, clients from 100 on
constexpr uint64_t kMany = 60, kManyWhileStalled = 400;  ///< flow entries for each worker
constexpr Nanoseconds kProbes = 3 * kSecondNs;
constexpr Nanoseconds kUntilFound = 3 * kSecondNs;  ///< it is asked for once a second (RFC 4861, 10)
constexpr Nanoseconds kPatience = 40 * kSecondNs;   ///< for connections to give up, at the latest
/// After the longest idle timeout, a lone FIN's minute, and a round of expiry.
constexpr Nanoseconds kUntilEmpty = 75 * kSecondNs;

}  // namespace

void World::begin_connections() {
  for (unsigned i = 0; i < scenario_.connections; ++i) {
    const Nanoseconds when = chance_.below(scenario_.busy);
    const auto service = static_cast<unsigned>(chance_.below(scenario_.services.size()));
    // Clients come in pairs, of IPv4 and IPv6.
    const unsigned family = scenario_.services[service].address.is_v6() ? 1 : 0;
    const size_t client = 2 * chance_.below(scenario_.clients.size() / 2) + family;
    events_.at(scenario_.begin + when,
               [this, service, client] { begin_connection(service, scenario_.clients[client]); });
  }
}

Connection& World::begin_connection(unsigned service, const IpAddress& client) {
  uint16_t& port = next_ports_.try_emplace(client, 20'000).first->second;
  const auto number = static_cast<uint32_t>(connections_.size());
  connections_.push_back(std::make_unique<Connection>(*this, number, scenario_.services[service], service,
                                                      client, ++port, chance_.branch()));
  Connection& connection = *connections_.back();
  connections_by_client_[{client, port}] = &connection;
  const ServicePlan& plan = scenario_.services[service];
  const bool is_sure = is_pool_sound(plan.pool) && !has_returning(plan.pool) && !may_give_way(plan);
  if (!is_sure) connection.disturb();
  const GatewayNode* const node = route(connection.key());
  if (node == nullptr || !node->is_sound() || now() < node->sound_since) connection.lose();
  connection.start();
  return connection;
}

/// Whether a flow that begins now may give way to a flood's: the contract protects those that are answered.
/// Past the gateway that takes as long as a round trip might, and until then the flood's own flows have to
/// end.
bool World::may_give_way(const ServicePlan& service) const {
  if (!last_flood_) return false;
  return now() < *last_flood_ + (service.translates() ? kSecondNs : kTcpIdle + 5 * kSecondNs);
}

ctrl::BackendKey World::key_of(const BackendHost& host) const {
  const BackendPlan& plan = plan_of(host);
  return {scenario_.pools[host.pool].name, plan.address, plan.port};
}

bool World::takes_new(const BackendHost& host) const {
  const BackendPlan& plan = plan_of(host);
  return plan.is_listed && plan.weight > 0 && host.state == ctrl::AdminState::kActive && !host.is_found_down;
}

/// New flows go to those alone that take some, as long as nobody changes who does.
void World::note_backend(const Connection& connection, uint16_t backend) {
  const BackendHost& host = *backends_[backend];
  if (host.pool != scenario_.services[connection.service()].pool)
    violate(connection.name() + " is with another pool's backend");
  const bool is_sure = connection.began() > pool_changes_[host.pool].over && !connection.is_disturbed();
  if (is_sure && !takes_new(host)) violate(connection.name() + " is with a backend that takes none");
}

/// Whether every backend that new flows go to lives, and there is one. While a change lasts, gateways may go
/// by what was before it.
bool World::is_pool_sound(unsigned pool) const {
  if (pool_changes_[pool].is_from_unsound) return false;
  bool has_one = false;
  for (const auto& host : backends_) {
    if (host->pool != pool || !takes_new(*host)) continue;
    if (!host->is_alive) return false;
    has_one = true;
  }
  return has_one;
}

/// Whether a new flow may have to wait for a backend that was silent, until it is found again.
bool World::has_returning(unsigned pool) const {
  return std::ranges::any_of(backends_, [&](const auto& host) {
    return host->pool == pool && host->alive_since != 0 && now() < host->alive_since + kUntilFound;
  });
}

void World::disturb_backend(const BackendHost& host) {
  const auto number = static_cast<uint16_t>(
      std::ranges::find_if(backends_, [&](const auto& each) { return each.get() == &host; }) -
      backends_.begin());
  for (const auto& connection : connections_) {
    if (connection->has_ended()) continue;
    const bool is_its = scenario_.services[connection->service()].pool == host.pool &&
                        connection->backend().value_or(number) == number;
    if (is_its) connection->disturb();
  }
}

void World::disturb_pool(unsigned pool, bool only_new) {
  for (const auto& connection : connections_) {
    const bool is_its = scenario_.services[connection->service()].pool == pool && !connection->has_ended();
    if (is_its && (!only_new || !connection->backend())) connection->disturb();
  }
}

void World::check_accounts(const GatewayNode& node, bool is_final) {
  const auto totals = ctrl::traffic_totals(node.gateway->gateway().data_plane());
  const uint64_t came = totals.received + totals.originated;
  const uint64_t ended = totals.transmitted + totals.all_dropped() + totals.consumed;
  if (ended > came || came - ended > (is_final ? 0 : kMostWaiting))
    violate("packets are not accounted for: " + totals.to_string());
  if (totals.transmitted != node.left)
    violate(node.name() + " counts other packets than it sent: " + totals.to_string());
  if (is_final && totals.received != node.arrived)
    violate(node.name() + " counts other packets than it got: " + totals.to_string());
}

/// What strangers can make, too, has its place and no more.
void World::check_bounds(const GatewayNode& node) {
  const auto& plane = node.gateway->gateway().data_plane();
  for (const dataplane::WorkerInfo& worker : plane.workers()) {
    const auto flows = plane.stats(worker.index).flow_entries.read();
    if (flows > worker.flow_capacity)
      violate("worker " + std::to_string(worker.index) + " has " + std::to_string(flows) + " flow entries");
  }
  check_spread(node);
}

/// Clients are spread over the workers that balance, but where one alone receives and balances: where there
/// are many flows, none of them has none.
void World::check_spread(const GatewayNode& node) {
  if (scenario_.rx_queues == 1 && scenario_.lb_workers == 0) return;
  const auto& plane = node.gateway->gateway().data_plane();
  uint64_t all = 0, workers = 0, idle = 0;
  for (const dataplane::WorkerInfo& worker : plane.workers()) {
    if (!worker.balances) continue;
    const auto flows = plane.stats(worker.index).flow_entries.read();
    all += flows;
    ++workers;
    if (flows == 0) ++idle;
  }
  const uint64_t many = scenario_.has_stalls ? kManyWhileStalled : kMany;  // one may come late to a flood
  if (idle > 0 && all > many * workers) violate(node.name() + " has workers without flows");
}

void World::check_connections() {
  if (!scenario_.is_calm()) return;
  for (const auto& connection : connections_) {
    if (connection->resent() > 0 && !connection->may_lose()) {
      violate(connection->name() + " has lost a packet, and nothing disturbed it");
    }
  }
}

/// Nothing waits for ever: once no fault is there, whoever is there is served.
void World::check_liveness() {
  // Somebody besides whom no gateway has ever seen.
  for (const bool is_v6 : {false, true}) scenario_.clients.push_back(port_address(kNewcomer, kEdge, is_v6));
  std::vector<Connection*> probes;
  for (unsigned service = 0; service < scenario_.services.size(); ++service) {
    const unsigned family = scenario_.services[service].address.is_v6() ? 1 : 0;
    for (size_t client = family; client < scenario_.clients.size(); client += 2) {
      probes.push_back(&begin_connection(service, scenario_.clients[client]));
    }
  }
  if (submitters_) submitters_->begin_probes();
  live_until(now() + kProbes);
  for (const Connection* const probe : probes) {
    const unsigned pool = scenario_.services[probe->service()].pool;
    if (!is_pool_sound(pool)) violate(probe->name() + " finds no backend though all live");
    const bool is_served = probe->backend().has_value();
    if (!is_served) violate(probe->name() + " is not served though all faults are over");
  }
  if (submitters_) submitters_->check_probes();
  check_addresses();
  live_until(now() + kPatience);
  for (const auto& connection : connections_) {
    if (!connection->has_ended()) violate(connection->name() + " has no end");
    const bool has_failed = connection->state() == Connection::State::kGaveUp && !connection->is_disturbed();
    if (has_failed) violate(connection->name() + " gave up, and nothing disturbed it");
  }
}

/// Who asks for an address of ours is answered, behind a switch that snoops, too.
void World::check_addresses() {
  constexpr MacAddress kQuerier{{0x02, 0x99, 0, 0, 0, 1}};
  for (const auto& node : nodes_) {
    for (const unsigned port : {kEdge, kCore}) {
      node->wires[port].switch_port.forget();
      carry(*node, port, ask_for_groups(kQuerier));
    }
  }
  live_until(now() + 2 * kSecondNs);
  told_.clear();
  const auto ask = [&](GatewayNode& node, unsigned port, const IpAddress& target) {
    const IpAddress asker = port_address(240, port, target.is_v6());
    carry(node, port, ask_for(target, asker, assumed_mac(asker)));
  };
  for (const auto& node : nodes_) {
    for (const bool is_v6 : {false, true}) {
      for (const unsigned port : {kEdge, kCore}) ask(*node, port, port_address(node->index, port, is_v6));
      ask(*node, kCore, snat_address(node->index, is_v6));
    }
  }
  live_until(now() + kSecondNs);
  const auto check = [&](const GatewayNode& node, const IpAddress& address) {
    if (!told_.contains({node.index, address}))
      violate(node.name() + " does not answer for " + address.to_string());
  };
  for (const auto& node : nodes_) {
    for (const bool is_v6 : {false, true}) {
      for (const unsigned port : {kEdge, kCore}) check(*node, port_address(node->index, port, is_v6));
      check(*node, snat_address(node->index, is_v6));
    }
  }
}

/// What nobody uses any more is given back.
void World::check_emptiness() {
  live_until(now() + kUntilEmpty);
  for_each_gateway([&](GatewayNode&, ctrl::Gateway& gateway) {
    const auto& plane = gateway.data_plane();
    for (const dataplane::WorkerInfo& worker : plane.workers()) {
      const auto& stats = plane.stats(worker.index);
      const auto flows = stats.flow_entries.read(), ports = stats.snat_ports_in_use.read();
      const std::string name = "worker " + std::to_string(worker.index);
      if (flows != 0) violate(name + " still has " + std::to_string(flows) + " flow entries");
      if (ports != 0) violate(name + " still has " + std::to_string(ports) + " ports");
    }
  });
}

}  // namespace sluice::sim
