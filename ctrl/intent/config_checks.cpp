#include "ctrl/intent/config_checks.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "ctrl/intent/config_pool_behaviour.h"
#include "ctrl/intent/config_steering.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/connected_networks.h"
#include "ctrl/intent/service_overlap.h"
#include "ctrl/intent/service_pools.h"
#include "lb/balancer.h"

namespace sluice::ctrl {
namespace {

using Faults = Cursor::Faults;

std::string pointer(const char* list, size_t index, const char* field = "") {
  return std::string("/") + list + "/" + std::to_string(index) + field;
}

std::string quoted(const std::string& name) {
  return "\"" + name + "\"";
}

/// Reports every name that an entry before has already.
class UniqueNames {
 public:
  UniqueNames(const char* what, const char* list, Faults& faults)
      : what_(what), list_(list), faults_(faults) {}
  void add(const std::string& name, size_t index) {
    if (name.empty() || names_.insert(name).second) return;
    faults_.add(pointer(list_, index, "/name"),
                std::string("there is a ") + what_ + " named " + quoted(name) + " already");
  }

 private:
  const char* what_;
  const char* list_;
  Faults& faults_;
  std::set<std::string> names_;
};

void check_ports(const Draft& draft, Faults& faults) {
  UniqueNames names("port", "ports", faults);
  std::set<std::string> devices;
  const auto& ports = draft.model.boot.ports;
  for (size_t i = 0; i < ports.size(); ++i) {
    names.add(ports[i].name, i);
    if (!ports[i].device.empty() && !devices.insert(ports[i].device).second) {
      faults.add(pointer("ports", i, "/device"), "another port uses this device already");
    }
  }
  ConnectedNetworks networks(ports.size());
  for (const auto& [entry, index] : draft.port_addresses) {
    const std::string place = pointer("ports", entry.port, "/addresses/") + std::to_string(index);
    if (networks.is_own(entry.address.address)) {
      faults.add(place, entry.address.address.to_string() + " is listed twice");
    } else if (!networks.add(entry.address, static_cast<uint16_t>(entry.port))) {
      faults.add(place, "another port is on network " + entry.address.network().to_string() + " already");
    }
  }
}

/// Why an address is on no network of a port, in the words that follow it.
std::string unreachable(const Draft& draft, const IpAddress& address) {
  const auto& ports = draft.model.boot.ports;
  if (!is_link_local(address) || ports.empty()) return " is on no network of a port, so it cannot be reached";
  return " is link-local: say which port it is on, as in " + address.to_string() + "%" + ports.front().name;
}

void check_routes(const Draft& draft, const ConnectedNetworks& networks, Faults& faults) {
  std::set<Prefix> known;
  for (const auto& [route, index] : draft.routes) {
    if (!known.insert(route.to).second) {
      faults.add(pointer("routes", index, "/to"), "there is a route to " + route.to.to_string() + " already");
    } else if (networks.has(route.to)) {
      faults.add(pointer("routes", index, "/to"), route.to.to_string() + " is the network of a port");
    }
    if (route.via.is_v4() != route.to.address.is_v4()) {
      faults.add(pointer("routes", index, "/via"), "must be an address of the family of \"to\"");
    } else if (networks.is_own(route.via)) {
      faults.add(pointer("routes", index, "/via"), route.via.to_string() + " is an address of a port itself");
    } else if (!route.via_port && !networks.port_of(route.via)) {
      faults.add(pointer("routes", index, "/via"), route.via.to_string() + unreachable(draft, route.via));
    }
  }
}

void check_neighbors(const Draft& draft, const ConnectedNetworks& networks, Faults& faults) {
  std::set<std::pair<IpAddress, std::optional<uint16_t>>> known;
  for (const auto& [neighbor, index] : draft.neighbors) {
    const std::string place = pointer("neighbors", index, "/address");
    const std::string address = neighbor.address.to_string();
    if (!known.emplace(neighbor.address, neighbor.port).second) {
      faults.add(place, address + " is listed twice");
    } else if (networks.is_own(neighbor.address)) {
      faults.add(place, address + " is an address of a port itself");
    } else if (networks.has_route_to(neighbor.address)) {
      faults.add(place, "there is a route to " + address + " already");
    } else if (neighbor.port || networks.port_of(neighbor.address)) {
      continue;
    } else if (is_link_local(neighbor.address)) {
      faults.add(place, address + unreachable(draft, neighbor.address));
    } else {
      faults.add(place, address + " is on no network of a port, and no route says which port leads there");
    }
  }
}

void check_snat(const Draft& draft, Faults& faults) {
  std::set<IpAddress> known;
  for (const auto& [address, index] : draft.snat) {
    if (!known.insert(address).second) {
      faults.add(pointer("snat", index), address.to_string() + " is listed twice");
    }
  }
}

bool is_prime(uint32_t number) {
  for (uint32_t divisor = 2; static_cast<uint64_t>(divisor) * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return number >= 2;
}

uint32_t next_prime(uint32_t number) {
  while (!is_prime(number)) ++number;
  return number;
}

void check_table_size(const PoolModel& pool, size_t index, Faults& faults) {
  if (!pool.table_size) return;
  const auto needed = static_cast<uint32_t>(100 * pool.backends.size());
  if (*pool.table_size < needed) {
    faults.add(pointer("pools", index, "/table_size"),
               "must be at least 100 times the " + std::to_string(pool.backends.size()) +
                   " backends: " + std::to_string(next_prime(needed)) + " would do");
  } else if (!is_prime(*pool.table_size)) {
    faults.add(pointer("pools", index, "/table_size"),
               "must be a prime: " + std::to_string(next_prime(*pool.table_size)) + " would do");
  }
}

void check_backends(const PoolDraft& draft, size_t pool_index, Faults& faults) {
  const auto& backends = draft.pool.backends;
  const auto place = [&](size_t i) {
    return pointer("pools", pool_index, "/backends/") + std::to_string(draft.backend_index[i]);
  };
  std::vector<size_t> order(backends.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto key = [&](size_t i) { return std::tie(backends[i].address, backends[i].port); };
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return key(a) != key(b) ? key(a) < key(b) : a < b; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (key(order[i - 1]) != key(order[i])) continue;
    const BackendModel& twice = backends[order[i]];
    faults.add(place(order[i]), endpoint_text(twice.address, twice.port) + " is listed twice");
  }
  const HealthCheck& health = draft.pool.health;
  const bool needs_port = health.type != HealthType::kNone && health.type != HealthType::kDns;
  if (!needs_port || health.port != 0 || health.via_service) return;  // a service may give the port
  for (size_t i = 0; i < backends.size(); ++i) {
    if (backends[i].port != 0) continue;
    return faults.add(place(i), "has no port to check: give it one, or give the pool's health one");
  }
}

/// What services have to know of a pool.
struct PoolFacts {
  const PoolModel* pool = nullptr;
  const BackendModel* v4 = nullptr;  ///< the first backend of the family
  const BackendModel* v6 = nullptr;
  const BackendModel* off_link = nullptr;  ///< the first that only a gateway reaches
};

class ServiceChecks {
 public:
  ServiceChecks(const Draft& draft, Faults& faults)
      : draft_(draft),
        networks_(connected_networks(draft)),
        sources_are_known_(!faults.within("/snat") && !faults.within("/encap")),
        faults_(faults) {
    for (const auto& [entry, index] : draft.pools) {
      if (!entry.pool.name.empty()) pools_.emplace(entry.pool.name, facts(entry.pool));
    }
  }

  void check(const ServiceDraft& entry, size_t index) {
    index_ = index;
    const ServiceModel& service = entry.service;
    if (!entry.matches) return;
    check_source_addresses(service);
    for (const std::string_view name : all_pools_of(service)) {
      const auto pool = pools_.find(name);
      if (pool != pools_.end()) check_pool(service, pool->second);
    }
  }

 private:
  void fault(const char* field, std::string message) {
    faults_.add(pointer("services", index_, field), std::move(message));
  }

  PoolFacts facts(const PoolModel& pool) const {
    PoolFacts facts{&pool};
    for (const BackendModel& backend : pool.backends) {
      const BackendModel*& of_family = backend.address.is_v4() ? facts.v4 : facts.v6;
      if (!of_family) of_family = &backend;
      if (!facts.off_link && !networks_.port_of(backend.address)) facts.off_link = &backend;
    }
    return facts;
  }

  void check_source_addresses(const ServiceModel& service) {
    constexpr uint16_t kFirstSnatPort = 1024;
    const bool v4 = service.address.address.is_v4();
    const bool has_source = std::any_of(draft_.snat.begin(), draft_.snat.end(),
                                        [&](const auto& snat) { return snat.value.is_v4() == v4; });
    if (service.forward == lb::ForwardMode::kFullNat && !has_source && sources_are_known_) {
      fault("/forward", std::string("full-nat needs an ") + (v4 ? "IPv4" : "IPv6") + " address in \"snat\"");
    }
    for (const auto& snat : draft_.snat) {
      if (service.last_port < kFirstSnatPort || !service.address.contains(snat.value)) continue;
      return fault("/port", "ports 1024 to 65535 of " + snat.value.to_string() +
                                " are for replies to full-nat, because it is listed in \"snat\"");
    }
  }

  void check_pool(const ServiceModel& service, const PoolFacts& pool) {
    const bool v4 = service.address.address.is_v4();
    const BackendModel* const other = v4 ? pool.v6 : pool.v4;
    const auto in_pool = [&](const BackendModel& backend) {
      return backend.address.to_string() + " of pool " + quoted(pool.pool->name);
    };
    switch (lb::row_of(service.forward).carriage) {
      case lb::Carriage::kTranslated:
        if (other) {
          fault("/forward", std::string(word_for(service.forward)) +
                                " stays within a family: the service is " + (v4 ? "IPv4, " : "IPv6, ") +
                                in_pool(*other) + " is not");
        }
        break;
      case lb::Carriage::kTunnelled:
        if (!sources_are_known_) break;
        if (pool.v4 && draft_.model.encapsulation.source == IpAddress{}) {
          fault("/forward", std::string(word_for(service.forward)) + " to " + in_pool(*pool.v4) +
                                " needs \"encap.source\"");
        } else if (pool.v6 && draft_.model.encapsulation.source6 == IpAddress{}) {
          fault("/forward", std::string(word_for(service.forward)) + " to " + in_pool(*pool.v6) +
                                " needs \"encap.source6\"");
        }
        break;
      case lb::Carriage::kUnchanged:
        if (pool.off_link) {
          fault("/forward", std::string(word_for(service.forward)) +
                                " reaches only neighbors: " + in_pool(*pool.off_link) +
                                " is on no network of a port and not in \"neighbors\"");
        }
        break;
    }
  }

  const Draft& draft_;
  const ConnectedNetworks networks_;
  const bool sources_are_known_;  ///< else what seems to be missing may only be misspelt
  Faults& faults_;
  std::unordered_map<std::string_view, PoolFacts> pools_;
  size_t index_ = 0;
};

void check_overlaps(const Draft& draft, Faults& faults) {
  std::vector<lb::ServiceMatch> matches;
  std::vector<const Listed<ServiceDraft>*> listed;
  for (const auto& entry : draft.services) {
    if (!entry.value.matches) continue;
    const ServiceModel& service = entry.value.service;
    matches.push_back({service.address, service.first_port, service.last_port, service.protocol});
    listed.push_back(&entry);
  }
  for (const Overlap& overlap : find_overlaps(matches)) {
    const Listed<ServiceDraft>& earlier = *listed[overlap.earlier];
    faults.add(pointer("services", listed[overlap.later]->index),
               "overlaps service " + quoted(earlier.value.service.name) +
                   ": address, port and protocol of a packet could be either's");
  }
}

}  // namespace

ConnectedNetworks port_networks(const Draft& draft) {
  ConnectedNetworks networks(draft.model.boot.ports.size());
  for (const auto& [entry, index] : draft.port_addresses) {
    networks.add(entry.address, static_cast<uint16_t>(entry.port));
  }
  return networks;
}

ConnectedNetworks connected_networks(const Draft& draft) {
  ConnectedNetworks networks = port_networks(draft);
  for (const auto& [route, index] : draft.routes) networks.add_route(route.to, route.via, route.via_port);
  for (const auto& [neighbor, index] : draft.neighbors) {
    if (!neighbor.port) networks.add_neighbor(neighbor.address);
  }
  return networks;
}

void check_network(const Draft& draft, Faults& faults) {
  check_ports(draft, faults);
  check_routes(draft, port_networks(draft), faults);
  check_neighbors(draft, connected_networks(draft), faults);
  check_snat(draft, faults);
  check_mtus(draft, faults);
}

void check_pools(const Draft& draft, Faults& faults) {
  UniqueNames names("pool", "pools", faults);
  size_t backends = 0;
  for (const auto& [entry, index] : draft.pools) {
    names.add(entry.pool.name, index);
    check_table_size(entry.pool, index, faults);
    check_backends(entry, index, faults);
    backends += entry.pool.backends.size();
  }
  if (backends > lb::kMaxBackends) {
    faults.add("/pools", "more than " + std::to_string(lb::kMaxBackends) + " backends in all");
  }
  check_backend_addresses(draft, faults);
}

void check_services(const Draft& draft, Faults& faults) {
  UniqueNames names("service", "services", faults);
  ServiceChecks checks(draft, faults);
  for (const auto& [entry, index] : draft.services) {
    names.add(entry.service.name, index);
    checks.check(entry, index);
  }
  check_steering(draft, faults);
  check_seen_answers(draft, faults);
  check_overlaps(draft, faults);
}

}  // namespace sluice::ctrl
