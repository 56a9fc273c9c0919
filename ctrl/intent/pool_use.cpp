#include "ctrl/intent/pool_use.h"

#include "ctrl/intent/service_pools.h"
#include "lb/policies/all.h"

namespace sluice::ctrl {
namespace {

void add(const ServiceModel& service, PoolUse& use) {
  auto& needs = service.protocol == IpProtocol::kUdp ? use.udp : use.tcp;
  if (!needs) needs.emplace();
  needs->schedule |= lb::row_of(service.policy).uses_schedule;
}

}  // namespace

PoolUse unused() {
  PoolUse use;
  use.tcp.emplace();
  return use;
}

PoolUses pool_uses(const Model& model) {
  PoolUses uses;
  uses.reserve(model.pools.size());
  for (const auto& [name, pool] : model.pools) uses.emplace(name, PoolUse{});
  for (const auto& [name, service] : model.services) {
    for (const std::string_view pool : all_pools_of(*service)) add(*service, uses.at(pool));
  }
  for (auto& [name, use] : uses) {
    if (!use.tcp && !use.udp) use = unused();
  }
  return uses;
}

}  // namespace sluice::ctrl
