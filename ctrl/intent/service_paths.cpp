#include "ctrl/intent/service_paths.h"

#include <algorithm>

#include "ctrl/intent/service_pools.h"

namespace sluice::ctrl {
namespace {

IpProtocol protocol_of(HealthType type) {
  return type == HealthType::kUdp || type == HealthType::kDns ? IpProtocol::kUdp : IpProtocol::kTcp;
}

struct Paths {
  const HealthCheck* check = nullptr;
  std::vector<ServicePath> of_protocol = {};
  std::vector<ServicePath> of_others = {};
};

ServicePath path_of(const ServiceModel& service, const HealthCheck& check, bool speaks_it) {
  if (lb::is_nat(service.forward)) return {service.name, service.forward, {}, 0};
  // What clients of a port, or of the first of a range, use; 0 where all ports are the service's.
  const uint16_t of_service = speaks_it ? service.first_port : uint16_t{0};
  return {service.name, service.forward, service.address.address, check.port != 0 ? check.port : of_service};
}

bool is_same_way(const ServicePath& one, const ServicePath& other) {
  if (lb::is_nat(one.mode) && lb::is_nat(other.mode)) return true;
  return one.mode == other.mode && one.address == other.address && one.port == other.port;
}

void add(std::vector<ServicePath>& paths, ServicePath path) {
  const bool is_there =
      std::ranges::any_of(paths, [&](const auto& other) { return is_same_way(path, other); });
  if (!is_there && paths.size() < kMostServicePaths) paths.push_back(std::move(path));
}

}  // namespace

ServicePaths service_paths(const Model& model) {
  std::unordered_map<std::string_view, Paths> wanted;
  for (const auto& [name, pool] : model.pools) {
    if (pool->health.type != HealthType::kNone && pool->health.via_service)
      wanted[name].check = &pool->health;
  }
  ServicePaths all;
  if (wanted.empty()) return all;
  for (const auto& [name, service] : model.services) {
    for (const std::string_view pool : all_pools_of(*service)) {
      const auto found = wanted.find(pool);
      if (found == wanted.end()) continue;
      auto& [check, of_protocol, of_others] = found->second;
      const bool speaks_it = service->protocol == protocol_of(check->type);
      add(speaks_it ? of_protocol : of_others, path_of(*service, *check, speaks_it));
    }
  }
  for (auto& [pool, paths] : wanted) {
    auto& chosen = paths.of_protocol.empty() ? paths.of_others : paths.of_protocol;
    if (!chosen.empty()) all.emplace(pool, std::move(chosen));
  }
  return all;
}

}  // namespace sluice::ctrl
