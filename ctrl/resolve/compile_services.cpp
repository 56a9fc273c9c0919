// Services: which table each of them has, and what finds them.
#include <unordered_map>
#include <utility>

#include "ctrl/intent/model_changes.h"
#include "ctrl/resolve/compile_step.h"

namespace sluice::ctrl {
namespace {

void retire_absent(CompileStep& step) {
  if (!step.before) return;
  const auto retire = [&](const ServiceModel& service) {
    if (const auto id = step.ids.find_service(identity_of(service))) step.ids.retire_service(*id);
  };
  for_each_difference(step.before->services, step.model.services,
                      [&](const std::string&, const ServiceModel* old, const ServiceModel* now) {
                        if (old && (!now || identity_of(*old) != identity_of(*now))) retire(*old);
                      });
  if (step.snat_indexes_hold) return;
  for (const auto& [name, service] : step.before->services) {
    if (service->forward == lb::ForwardMode::kFullNat) retire(*service);
  }
}

const lb::PoolTable* table_of(const CompileStep& step, const ServiceModel& service) {
  return step.tables.pools[*step.ids.find_pool_table(service.pool, service.protocol)].get();
}

/// The services are the same, but pools have new tables.
void repoint(CompileStep& step, std::vector<MovedService>& moved) {
  step.tables.service_table = step.previous->service_table;
  std::unordered_map<const lb::PoolTable*, const lb::PoolTable*> successors;
  for (const CompileStep::Pool& changed : step.changed_pools) {
    for (const IpProtocol protocol : kProtocols) {
      const auto index = step.ids.find_pool_table(changed.pool->intent->name, protocol);
      if (!index || *index >= step.previous->pools.size()) continue;
      const lb::PoolTable* const then = step.previous->pools[*index].get();
      const lb::PoolTable* const now = step.tables.pools[*index].get();
      if (then && then != now) successors.emplace(then, now);
    }
  }
  if (successors.empty()) {
    step.tables.services = step.previous->services;
    return;
  }
  auto services = std::make_shared<std::vector<lb::Service>>(*step.previous->services);
  for (lb::ServiceId id = 0; id < services->size(); ++id) {
    const auto successor = successors.find((*services)[id].pool);
    if (successor == successors.end()) continue;
    moved.push_back({id, successor->first, successor->second});
    (*services)[id].pool = successor->second;
  }
  step.tables.services = std::move(services);
}

}  // namespace

std::optional<Refusal> compile_services(CompileStep& step, std::vector<MovedService>& moved) {
  if (!step.services_changed) {
    repoint(step, moved);
    return std::nullopt;
  }
  retire_absent(step);
  // Those that are gone tell how they forwarded, to flows that look for their successor.
  auto services = step.previous ? std::make_shared<std::vector<lb::Service>>(*step.previous->services)
                                : std::make_shared<std::vector<lb::Service>>();
  for (lb::Service& service : *services) service.pool = nullptr;
  std::vector<lb::ServiceMatch> matches;
  matches.reserve(step.model.services.size());
  for (const auto& [name, service] : step.model.services) {
    const auto id = step.ids.service(identity_of(*service));
    if (!id) return out_of_numbers("services", lb::kMaxServices);
    if (step.ids.service_limit() > services->size()) services->resize(step.ids.service_limit());
    const auto timeout =
        service->protocol == IpProtocol::kUdp ? service->udp_idle_timeout : service->tcp_idle_timeout;
    (*services)[*id] = {table_of(step, *service), service->policy, service->forward, service->protocol,
                        static_cast<uint32_t>(timeout.count())};
    matches.push_back({service->address, service->first_port, service->last_port, service->protocol, *id});
  }
  services->resize(step.ids.service_limit());
  step.tables.services = std::move(services);
  step.tables.service_table = lb::ServiceTable::build(matches);
  return std::nullopt;
}

}  // namespace sluice::ctrl
