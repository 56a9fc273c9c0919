#include "ctrl/intent/pool_use.h"

namespace sluice::ctrl {
namespace {

void add(const ServiceModel& service, PoolUse& use) {
  auto& needs = service.protocol == IpProtocol::kUdp ? use.udp : use.tcp;
  if (!needs) needs.emplace();
  needs->schedule |= lb::uses_schedule(service.policy);
}

void want_some_table(PoolUse& use) {
  if (!use.tcp && !use.udp) use.tcp.emplace();
}

}  // namespace

PoolUses pool_uses(const Model& model) {
  PoolUses uses;
  uses.reserve(model.pools.size());
  for (const auto& [name, pool] : model.pools) uses.emplace(name, PoolUse{});
  for (const auto& [name, service] : model.services) add(*service, uses.at(service->pool));
  for (auto& [name, use] : uses) want_some_table(use);
  return uses;
}

PoolUses pool_uses(const Model& model, const std::set<std::string_view>& pools) {
  PoolUses uses;
  for (const std::string_view pool : pools) uses.emplace(pool, PoolUse{});
  for (const auto& [name, service] : model.services) {
    if (pools.contains(service->pool)) add(*service, uses.at(service->pool));
  }
  for (auto& [name, use] : uses) want_some_table(use);
  return uses;
}

}  // namespace sluice::ctrl
