#include "ctrl/intent/config_warnings.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ctrl/intent/connected_networks.h"
#include "ctrl/intent/json_schema.h"
#include "ctrl/intent/service_paths.h"
#include "ctrl/intent/service_pools.h"

namespace sluice::ctrl {
namespace {

/// Lookups of the kernel's routes for one configuration: each is a few system calls.
constexpr size_t kMostLookups = 1000;

std::string quoted(const std::string& name) {
  return "\"" + name + "\"";
}

/// The pointer of each named entry of a list of the configuration.
std::map<std::string, std::string> pointers_of(const nlohmann::json& config, const char* list) {
  std::map<std::string, std::string> pointers;
  const auto entries = config.find(list);
  if (entries == config.end()) return pointers;
  for (size_t i = 0; i < entries->size(); ++i) {
    pointers[(*entries)[i].value("name", "")] = std::string("/") + list + "/" + std::to_string(i);
  }
  return pointers;
}

class Warnings {
 public:
  Warnings(const Model& model, const nlohmann::json& config, const KernelSource& source)
      : model_(model),
        pools_(pointers_of(config, "pools")),
        services_(pointers_of(config, "services")),
        networks_(model.boot.ports.size()),
        service_paths_(service_paths(model)),
        source_(source) {
    for (size_t i = 0; i < model.boot.ports.size(); ++i) {
      for (const Prefix& own : model.boot.ports[i].addresses) networks_.add(own, static_cast<uint16_t>(i));
    }
    for (const RouteModel& route : model.routes) {
      networks_.add_route(route.to, route.via, route.via_port);
      routes_.push_back(route.to);
    }
    for (const TunnelModel& tunnel : model.tunnels) {
      routes_.insert(routes_.end(), tunnel.networks.begin(), tunnel.networks.end());
    }
    for (const NeighborModel& neighbor : model.neighbors) {
      if (!neighbor.port) networks_.add_neighbor(neighbor.address);
    }
  }

  std::vector<Fault> all() {
    check_workers();
    check_hash_key();
    check_registry();
    check_remote();
    check_nats();
    for (const auto& [name, service] : model_.services) check_service(*service);
    for (const auto& [name, service] : model_.services) check_limits(*service);
    check_protocols();
    for (const auto& [name, pool] : model_.pools) check_pool(*pool);
    if (!model_.services_from.empty() && model_.snat.empty()) {
      warn("/services_from", "no listener can be served: they need full-nat, and \"snat\" has no address");
    }
    return std::move(found_);
  }

 private:
  void warn(std::string pointer, std::string message) {
    if (found_.size() < kMostFaults) found_.push_back({std::move(pointer), std::move(message)});
  }

  void check_registry() {
    if (!model_.registry) return;
    const RegistryModel& registry = *model_.registry;
    const auto is_reached_from_elsewhere = [](const std::string& listen) {
      return !listen.empty() && !listen.starts_with("127.") && !listen.starts_with("[::1]");
    };
    if (!is_reached_from_elsewhere(registry.http) && !is_reached_from_elsewhere(registry.grpc)) return;
    if (!registry.has_authentication()) {
      warn("/registry", "whoever reaches its address may register backends: it asks for no authentication");
    } else if (registry.tls.certificate.empty()) {
      warn("/registry", "tokens go over the network without TLS: whoever reads one may use it");
    }
  }

  void check_remote() {
    if (!model_.remote) return;
    if (model_.remote->tls.client_ca.empty() && model_.remote->jwt.keys.empty()) {
      warn("/remote", "nobody can be let in: it has neither \"jwt\" nor authorities of client certificates");
    }
    if (!model_.remote->jwt.keys.empty() &&
        (model_.remote->jwt.issuer.empty() || model_.remote->jwt.audience.empty())) {
      warn("/remote/jwt", "tokens that were made for others are taken too: name \"issuer\" and \"audience\"");
    }
  }

  void check_nats() {
    if (!model_.events.nats || model_.events.nats->needs_tls()) return;
    const NatsModel& nats = *model_.events.nats;
    if (nats.password_file.empty() && nats.token_file.empty()) return;
    warn("/events/nats",
         "what the server knows us by goes over the network without TLS: whoever reads it may use it");
  }

  void check_workers() {
    if (model_.boot.idle != dataplane::IdleMode::kPoll) return;
    std::set<unsigned> polled;
    for (const auto* cpus : {&model_.boot.workers, &model_.boot.lb_workers, &model_.boot.hash_workers}) {
      for (const unsigned cpu : *cpus) {
        if (!polled.insert(cpu).second) {
          warn("/gateway/idle", "CPU " + std::to_string(cpu) +
                                    " has two workers that never rest: each keeps the other waiting");
        }
      }
    }
  }

  void check_hash_key() {
    if (!model_.hash_key) {
      warn("/gateway",
           "has no \"hash_key\": the gateway keeps one of its own, but those of a group must share one");
    } else if (*model_.hash_key == SipKey{}) {
      warn("/gateway/hash_key", "is well known: a stranger can aim flows at one backend");
    }
  }

  void check_service(const ServiceModel& service) {
    for_each_pool_name(service, [&](const std::string& name, const std::string& pointer) {
      const PoolModel& pool = *model_.pools.at(name);
      used_.insert(pool.name);
      const bool any =
          std::ranges::any_of(pool.backends, [](const auto& backend) { return backend.weight > 0; });
      if (!any && !pool.discover) {
        warn(services_[service.name] + pointer,
             "no backend of pool " + quoted(pool.name) + " takes new flows: they are dropped (no_backend)");
      }
    });
    check_routes(service);
  }

  /// Routes that no client's address can match.
  void check_routes(const ServiceModel& service) {
    const bool v4 = service.address.address.is_v4();
    for (size_t i = 0; i < service.routes.size(); ++i) {
      const bool any = std::ranges::any_of(
          service.routes[i].source, [&](const Prefix& source) { return source.address.is_v4() == v4; });
      if (any) continue;
      warn(services_[service.name] + "/routes/" + std::to_string(i) + "/source",
           std::string("matches no client: the service is ") + (v4 ? "IPv4" : "IPv6"));
    }
  }

  /// What comes between two polls of a worker finds the bucket as it is: one that holds less than that lets
  /// less than its rate through.
  void check_limits(const ServiceModel& service) {
    constexpr double kSeconds = 0.001;
    const auto check = [&](const std::optional<RateModel>& limit, const char* place) {
      if (!limit || static_cast<double>(limit->burst) >= limit->rate * kSeconds) return;
      warn(services_[service.name] + "/limits/" + place + "/burst",
           "is less than what comes in a millisecond at that rate, so that less gets through");
    };
    check(service.limits.new_flows, "new_flows");
    check(service.limits.packets, "packets");
    if (!service.limits.per_source) return;
    check(service.limits.per_source->new_flows, "per_source/new_flows");
    check(service.limits.per_source->packets, "per_source/packets");
  }

  /// TCP and UDP of one address and port in different pools: a client of both (HTTP/3, DNS) sees two servers.
  void check_protocols() {
    std::map<std::pair<Prefix, uint16_t>, const ServiceModel*> by_place;
    for (const auto& [name, service] : model_.services) {
      const auto [other, is_new] =
          by_place.emplace(std::pair(service->address, service->first_port), service.get());
      const bool is_apart = !is_new && other->second->protocol != service->protocol &&
                            other->second->last_port == service->last_port &&
                            pools_of(*other->second) != pools_of(*service);
      if (is_apart) {
        const std::string_view pool = pools_of(*other->second).front();
        warn(services_[name] + (service->pool.empty() ? "/split" : "/pool"),
             "the same address and port is in pool " + quoted(std::string(pool)) +
                 " for the other protocol (service " + quoted(other->second->name) +
                 "): a client that uses both meets different backends");
      }
    }
  }

  void check_pool(const PoolModel& pool) {
    const std::string& place = pools_[pool.name];
    // With `services_from` it may be a cluster's.
    if (!used_.contains(pool.name) && model_.services_from.empty())
      warn(place, "no service uses pool " + quoted(pool.name));
    for (size_t i = 0; i < pool.backends.size(); ++i) {
      const IpAddress& address = pool.backends[i].address;
      if (!is_routed(address)) {
        warn(place + "/backends/" + std::to_string(i) + "/address",
             "no route and no network of a port leads to " + address.to_string() +
                 ": its packets are dropped (no_route)");
      }
    }
    if (pool.health.type == HealthType::kNone) return;
    const auto paths = service_paths_.find(pool.name);
    if (paths != service_paths_.end()) check_paths(pool, paths->second, place + "/health");
    const bool needs_kernel =
        paths == service_paths_.end() ||
        std::ranges::any_of(paths->second, [](const auto& path) { return lb::is_nat(path.mode); });
    if (needs_kernel) check_reach(pool, place + "/health");
  }

  /// Checks through services: their answers need an address to come to, and they a port to go to.
  void check_paths(const PoolModel& pool, const std::vector<ServicePath>& paths, const std::string& place) {
    for (const ServicePath& path : paths) {
      if (lb::is_nat(path.mode)) continue;
      if (!has_own_address(path.address.is_v4())) {
        return warn(place + "/via", std::string("no port has an ") +
                                        (path.address.is_v4() ? "IPv4" : "IPv6") +
                                        " address that answers to checks through service " +
                                        quoted(path.service) + " could come to");
      }
      const bool has_port =
          path.port != 0 || pool.health.type == HealthType::kDns ||
          std::ranges::all_of(pool.backends, [](const auto& each) { return each.port != 0; });
      if (!has_port) {
        return warn(place + "/port", "is left out, and service " + quoted(path.service) +
                                         " has no port of its own to check either");
      }
    }
  }

  bool has_own_address(bool is_v4) const {
    return std::ranges::any_of(model_.boot.ports, [&](const auto& port) {
      return std::ranges::any_of(port.addresses, [&](const Prefix& own) {
        const bool is_link_local = own.address.bytes()[0] == 0xfe && (own.address.bytes()[1] & 0xc0) == 0x80;
        return own.address.is_v4() == is_v4 && !is_link_local;
      });
    });
  }

  bool is_routed(const IpAddress& address) const {
    return networks_.port_of(address).has_value() ||
           std::ranges::any_of(routes_, [&](const Prefix& to) { return to.contains(address); });
  }

  /// Checks leave by the kernel: it needs a way of its own to the backends.
  void check_reach(const PoolModel& pool, const std::string& place) {
    for (const BackendModel& backend : pool.backends) {
      const auto port = networks_.port_of(backend.address);
      if (port && model_.boot.ports[*port].kernel) continue;  // by the port's own tap
      if (!asked_.insert(backend.address).second || asked_.size() > kMostLookups) continue;
      const std::string address = backend.address.to_string();
      constexpr auto kMend = "; give the port `kernel: true`, or the host a route";
      const auto from = source_(backend.address);
      if (!from) {
        return warn(place, "checks leave by the kernel, which has no route to " + address + kMend);
      }
      if (port && networks_.port_of(*from) != port) {
        return warn(place, "checks leave by the kernel, which sends to " + address + " from " +
                               from->to_string() + ", not by the network of port " +
                               quoted(model_.boot.ports[*port].name) + kMend);
      }
    }
  }

  const Model& model_;
  std::map<std::string, std::string> pools_;
  std::map<std::string, std::string> services_;
  ConnectedNetworks networks_;
  std::vector<Prefix> routes_;
  ServicePaths service_paths_;
  const KernelSource& source_;
  std::set<std::string> used_;
  std::set<IpAddress> asked_;
  std::vector<Fault> found_;
};

}  // namespace

std::optional<IpAddress> kernel_source(const IpAddress& destination) {
  using Udp = boost::asio::ip::udp;
  constexpr uint16_t kDiscard = 9;
  boost::asio::io_context io;
  Udp::socket socket(io);
  boost::system::error_code error;
  // To connect a datagram socket looks the route up, and sends nothing.
  socket.connect({boost::asio::ip::make_address(destination.to_string()), kDiscard}, error);
  if (error) return std::nullopt;
  const auto own = IpAddress::parse(socket.local_endpoint(error).address().to_string());
  if (error || !own) return std::nullopt;
  return *own;
}

std::vector<Fault> warnings_of(const Model& model, const nlohmann::json& config, const KernelSource& source) {
  return Warnings(model, config, source).all();
}

}  // namespace sluice::ctrl
