// Services: which table each of them has, and what finds them.
#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "ctrl/intent/model_changes.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/resolve/compile_step.h"
#include "lb/pool_steering.h"

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

uint32_t table_index(const CompileStep& step, std::string_view pool, IpProtocol protocol) {
  return *step.ids.find_pool_table(std::string(pool), protocol);
}

lb::PoolSplit split_of(const CompileStep& step, IpProtocol protocol, const std::string& pool,
                       const std::vector<SplitShareModel>& split) {
  if (split.empty()) return lb::PoolSplit({{table_index(step, pool, protocol), 1}});
  std::vector<lb::PoolSplit::Share> shares;
  for (const SplitShareModel& share : split) {
    shares.push_back({table_index(step, share.pool, protocol), share.weight});
  }
  return lb::PoolSplit(std::move(shares));
}

std::shared_ptr<const lb::PoolSteering> steering_of(const CompileStep& step, const ServiceModel& service) {
  std::vector<lb::PoolSteering::Route> routes;
  for (const SourceRouteModel& route : service.routes) {
    routes.push_back(
        {route.source, split_of(step, service.protocol, route.pool, route.split), !route.split.empty()});
  }
  return std::make_shared<const lb::PoolSteering>(
      std::move(routes), split_of(step, service.protocol, service.pool, service.split),
      !service.split.empty());
}

/// That of before where nothing about it differs: a pool keeps its number as long as a service uses it.
std::shared_ptr<const lb::PoolSteering> steering_of(const CompileStep& step, const ServiceModel& service,
                                                    lb::ServiceId id) {
  const bool has_former = step.previous && step.previous->steerings && id < step.previous->steerings->size();
  if (has_former) {
    const auto same_name = step.before->services.find(service.name);
    const bool is_same = same_name != step.before->services.end() && same_name->second.get() == &service;
    const auto& former = (*step.previous->steerings)[id];
    if (is_same && former) return former;
  }
  return steering_of(step, service);
}

/// Those of steered services, by number; null where none is.
class Steerings {
 public:
  const lb::PoolSteering* add(const CompileStep& step, const ServiceModel& service, lb::ServiceId id) {
    if (!is_steered(service)) return nullptr;
    if (!list_) list_ = std::make_shared<dataplane::SteeringList>();
    if (id >= list_->size()) list_->resize(id + size_t{1});
    return ((*list_)[id] = steering_of(step, service, id)).get();
  }
  std::shared_ptr<const dataplane::SteeringList> take() { return std::move(list_); }

 private:
  std::shared_ptr<dataplane::SteeringList> list_;
};

/// The greatest 64-bit number of which 2^64 times the fraction, which is above 0, is greater.
uint64_t last_below(double fraction) {
  const double bound = std::ldexp(fraction, 64);  // exactly: only the exponent changes
  return fraction >= 1 ? UINT64_MAX : static_cast<uint64_t>(std::ceil(bound)) - 1;
}

lb::Service compiled(const CompileStep& step, const ServiceModel& service) {
  const auto timeout =
      service.protocol == IpProtocol::kUdp ? service.udp_idle_timeout : service.tcp_idle_timeout;
  const uint32_t pool = table_index(step, pools_of(service).front(), service.protocol);
  lb::Service result{step.tables.pools[pool].get(), service.policy, service.forward, service.protocol,
                     static_cast<uint32_t>(timeout.count())};
  result.is_steered = is_steered(service);
  result.watches_failures = std::ranges::any_of(pools_of(service), [&](std::string_view name) {
    return step.model.pools.at(name)->outlier.has_value();
  });
  if (service.mirror && service.mirror->fraction > 0) {
    result.is_mirrored = true;
    result.mirror_pool = table_index(step, service.mirror->pool, service.protocol);
    result.mirror_last = last_below(service.mirror->fraction);
  }
  return result;
}

/// The services are the same, but pools have new tables.
void repoint(CompileStep& step, std::vector<lb::ServiceId>& moved) {
  step.tables.service_table = step.previous->service_table;
  step.tables.steerings = step.previous->steerings;
  std::unordered_set<uint32_t> changed_tables;
  std::vector<const lb::PoolTable*> replaced;
  for (const CompileStep::Pool& changed : step.changed_pools) {
    for (const IpProtocol protocol : kProtocols) {
      const auto index = step.ids.find_pool_table(changed.pool->intent->name, protocol);
      if (!index || *index >= step.previous->pools.size()) continue;
      const auto& former = step.previous->pools[*index];
      if (!former || former == step.tables.pools[*index]) continue;
      changed_tables.insert(*index);
      replaced.push_back(former.get());
    }
  }
  if (changed_tables.empty()) {
    step.tables.services = step.previous->services;
    return;
  }
  std::ranges::sort(replaced);
  const auto is_changed = [&](uint32_t index) { return changed_tables.contains(index); };
  auto services = std::make_shared<std::vector<lb::Service>>(*step.previous->services);
  for (lb::ServiceId id = 0; id < services->size(); ++id) {
    lb::Service& service = (*services)[id];
    if (service.pool == nullptr) continue;
    // Its pool is not looked into: ten thousand of them are as many lines of memory.
    const bool is_moved = service.steering == nullptr
                              ? std::ranges::binary_search(replaced, service.pool)
                              : std::ranges::any_of(service.steering->pools(), is_changed);
    if (!is_moved) continue;
    moved.push_back(id);
    service.pool = step.tables.pools[service.pool->index()].get();
  }
  step.tables.services = std::move(services);
}

}  // namespace

std::optional<Refusal> compile_services(CompileStep& step, std::vector<lb::ServiceId>& moved) {
  if (!step.services_changed) {
    repoint(step, moved);
    return std::nullopt;
  }
  retire_absent(step);
  // Those that are gone tell how they forwarded, to flows that look for their successor.
  auto services = step.previous ? std::make_shared<std::vector<lb::Service>>(*step.previous->services)
                                : std::make_shared<std::vector<lb::Service>>();
  for (lb::Service& service : *services) {
    service.pool = nullptr;
    service.steering = nullptr;
  }
  Steerings steerings;
  std::vector<lb::ServiceMatch> matches;
  matches.reserve(step.model.services.size());
  for (const auto& [name, service] : step.model.services) {
    const auto id = step.ids.service(identity_of(*service));
    if (!id) return out_of_numbers("services", lb::kMaxServices);
    if (step.ids.service_limit() > services->size()) services->resize(step.ids.service_limit());
    (*services)[*id] = compiled(step, *service);
    (*services)[*id].steering = steerings.add(step, *service, *id);
    matches.push_back({service->address, service->first_port, service->last_port, service->protocol, *id});
  }
  services->resize(step.ids.service_limit());
  step.tables.services = std::move(services);
  step.tables.steerings = steerings.take();
  step.tables.service_table = lb::ServiceTable::build(matches);
  return std::nullopt;
}

}  // namespace sluice::ctrl
