// Which pools a service uses: the one place that knows of `pool`, `split`, `routes` and `mirror`. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// Whether it chooses among pools.
inline bool is_steered(const ServiceModel& service) {
  return !service.split.empty() || !service.routes.empty();
}

/// Calls visit(name, pointer) for everything that names a pool: where flows go that no route takes, the
/// routes, and the mirror. `pointer` is below the service: `/split/1/pool`.
template <typename Visit>
void for_each_pool_name(const ServiceModel& service, Visit&& visit) {
  const auto shares = [&](const std::vector<SplitShareModel>& split, const std::string& at) {
    for (size_t i = 0; i < split.size(); ++i) {
      visit(split[i].pool, at + "/split/" + std::to_string(i) + "/pool");
    }
  };
  if (!service.pool.empty()) visit(service.pool, std::string("/pool"));
  shares(service.split, "");
  for (size_t i = 0; i < service.routes.size(); ++i) {
    const SourceRouteModel& route = service.routes[i];
    const std::string at = "/routes/" + std::to_string(i);
    if (!route.pool.empty()) visit(route.pool, at + "/pool");
    shares(route.split, at);
  }
  if (service.mirror) visit(service.mirror->pool, std::string("/mirror/pool"));
}

/// Those that its flows go to, each once, in that order. The strings are the model's.
std::vector<std::string_view> pools_of(const ServiceModel& service);
/// With the one that it is mirrored to.
std::vector<std::string_view> all_pools_of(const ServiceModel& service);
/// Whether flows go to that pool.
bool uses_pool(const ServiceModel& service, std::string_view pool);

}  // namespace sluice::ctrl
