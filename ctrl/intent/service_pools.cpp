#include "ctrl/intent/service_pools.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

void add(const std::string& pool, std::vector<std::string_view>& pools) {
  if (!pool.empty() && std::ranges::find(pools, pool) == pools.end()) pools.push_back(pool);
}

void add(const std::vector<SplitShareModel>& split, std::vector<std::string_view>& pools) {
  for (const SplitShareModel& share : split) add(share.pool, pools);
}

}  // namespace

std::vector<std::string_view> pools_of(const ServiceModel& service) {
  std::vector<std::string_view> pools;
  add(service.pool, pools);
  add(service.split, pools);
  for (const SourceRouteModel& route : service.routes) {
    add(route.pool, pools);
    add(route.split, pools);
  }
  return pools;
}

std::vector<std::string_view> all_pools_of(const ServiceModel& service) {
  std::vector<std::string_view> pools = pools_of(service);
  if (service.mirror) add(service.mirror->pool, pools);
  return pools;
}

bool uses_pool(const ServiceModel& service, std::string_view pool) {
  if (!is_steered(service)) return service.pool == pool;
  const auto pools = pools_of(service);
  return std::ranges::find(pools, pool) != pools.end();
}

}  // namespace sluice::ctrl
