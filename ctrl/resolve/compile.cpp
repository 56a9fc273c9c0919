#include "ctrl/resolve/compile.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "ctrl/intent/announcements.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/intent/pool_use.h"
#include "ctrl/resolve/compile_ledger.h"
#include "ctrl/resolve/compile_network.h"
#include "ctrl/resolve/disruption.h"
#include "dataplane/tables/address_set.h"

namespace sluice::ctrl {
namespace {

using dataplane::Tables;
using lb::BackendState;

constexpr IpProtocol kProtocols[] = {IpProtocol::kTcp, IpProtocol::kUdp};

/// Workers keep an array for each kind of number, so there is an end to them.
Refusal out_of_numbers(const char* what, size_t limit) {
  return {Refusal::Kind::kUnavailable,
          std::string("there are ") + std::to_string(limit) + " " + what +
              ", counting those removed whose flows have not ended yet",
          "try again once the flows of what was removed have ended",
          {}};
}

/// One run of compile(): each step fills in a part of `tables_` or shares that of `previous`.
class Compiler {
 public:
  Compiler(const CompileInput& input, IdRegistry& ids)
      : in_(input),
        ids_(ids),
        model_(input.model),
        before_(input.previous_model),
        previous_(input.previous) {}

  Outcome<Compiled> run() {
    tables_->generation = in_.generation;
    tables_->hash_key = model_.hash_key.value_or(in_.kept_hash_key);
    tables_->encapsulation = model_.encapsulation;
    network();
    find_changed_pools();
    retire_absent();
    if (auto refusal = backends()) return tl::unexpected(std::move(*refusal));
    if (auto refusal = pool_tables()) return tl::unexpected(std::move(*refusal));
    if (auto refusal = services()) return tl::unexpected(std::move(*refusal));
    announced_addresses();
    next_hop_addresses();
    dnat_backends();
    Compiled result;
    const bool same_tables = previous_ && !services_changed_ && tables_->pools == previous_->pools;
    if (before_ && !same_tables) result.disruption = disruption({*before_, *previous_}, {model_, *tables_});
    result.changed = before_ ? changed_parts(*before_, model_) : all_parts(model_);
    for (const std::string& pool : in_.touched_pools) result.changed.push_back("pool/" + pool);
    for (const BackendKey& key : in_.flushed) result.changed.push_back("pool/" + key.pool);
    std::sort(result.changed.begin(), result.changed.end());
    result.changed.erase(std::unique(result.changed.begin(), result.changed.end()), result.changed.end());
    result.tables = std::move(tables_);
    return result;
  }

 private:
  void network() {
    tables_->ports = previous_ ? previous_->ports : port_views(model_, in_.ports);
    routes_changed_ = !before_ || before_->routes != model_.routes || before_->neighbors != model_.neighbors;
    tables_->routes = routes_changed_ ? route_table(model_) : previous_->routes;
    tables_->neighbors = routes_changed_ ? static_neighbors(model_) : previous_->neighbors;
    tables_->ingress = previous_ ? previous_->ingress : ingress_table(model_);
    SnatOrder order = order_snat(previous_ ? previous_->snat : std::vector<IpAddress>{}, model_.snat);
    tables_->snat = std::move(order.addresses);
    snat_indexes_hold_ = order.indexes_hold;
    const bool same_addresses = previous_ && previous_->snat == tables_->snat;
    tables_->own_addresses = same_addresses ? previous_->own_addresses : own_addresses(*tables_);
    services_changed_ = !before_ || before_->services != model_.services || !snat_indexes_hold_;
  }

  /// Pools that need a look: new or different ones, those with another status, those that services use
  /// in another way, and all where routes changed.
  void find_changed_pools() {
    // A list of next hops that is mostly history is made anew, and so are the indexes into it.
    hops_anew_ = routes_changed_ || previous_->next_hops->size() > 2 * ids_.backend_limit() + 1024;
    std::set<std::string_view> names(in_.touched_pools.begin(), in_.touched_pools.end());
    for (const BackendKey& key : in_.flushed) names.insert(key.pool);
    if (before_) {
      for_each_difference(before_->pools, model_.pools,
                          [&](const std::string& name, auto, auto) { names.insert(name); });
    }
    const bool all_pools = !before_ || hops_anew_;
    uses_ = all_pools || services_changed_ ? pool_uses(model_) : pool_uses(model_, names);
    if (before_ && services_changed_) {
      const PoolUses uses_before = pool_uses(*before_);
      for (const auto& [name, use] : uses_) {
        const auto then = uses_before.find(name);
        if (then == uses_before.end() || then->second != use) names.insert(name);
      }
    }
    if (all_pools) {
      for (const auto& [name, pool] : model_.pools) changed_pools_.push_back(pool.get());
    } else {
      for (const std::string_view name : names) {
        const auto found = model_.pools.find(name);
        if (found != model_.pools.end()) changed_pools_.push_back(found->second.get());
      }
    }
  }

  void retire_absent() {
    if (!before_) return;
    const auto retire_backend = [&](const BackendKey& key) {
      const auto id = ids_.find_backend(key);
      if (!id) return;
      retired_backends_.push_back(*id);
      ids_.retire_backend(*id);
    };
    for (const BackendKey& key : in_.flushed) {
      retire_backend(key);
      flushed_pools_.insert(key.pool);
    }
    for_each_difference(before_->pools, model_.pools,
                        [&](const std::string& name, const PoolModel* old, const PoolModel* now) {
                          std::set<std::pair<IpAddress, uint16_t>> kept;
                          if (now) {
                            for (const BackendModel& backend : now->backends)
                              kept.emplace(backend.address, backend.port);
                          }
                          for (size_t i = 0; old && i < old->backends.size(); ++i) {
                            const BackendModel& backend = old->backends[i];
                            if (!kept.contains({backend.address, backend.port})) {
                              retire_backend({name, backend.address, backend.port});
                            }
                          }
                          if (!now) release_pool_tables(name, {});
                        });
    for (const PoolModel* pool : changed_pools_) release_pool_tables(pool->name, uses_.at(pool->name));
    if (services_changed_) retire_absent_services();
  }

  void retire_absent_services() {
    const auto retire = [&](const ServiceModel& service) {
      if (const auto id = ids_.find_service(identity_of(service))) ids_.retire_service(*id);
    };
    for_each_difference(before_->services, model_.services,
                        [&](const std::string&, const ServiceModel* old, const ServiceModel* now) {
                          if (old && (!now || identity_of(*old) != identity_of(*now))) retire(*old);
                        });
    if (snat_indexes_hold_) return;
    for (const auto& [name, service] : before_->services) {
      if (service->forward == lb::ForwardMode::kFullNat) retire(*service);
    }
  }

  /// Gives back the tables that a pool had and that `use` does not ask for.
  void release_pool_tables(const std::string& name, const PoolUse& use) {
    for (const IpProtocol protocol : kProtocols) {
      const auto index = ids_.find_pool_table(name, protocol);
      if (!index || use.of(protocol)) continue;
      released_tables_.push_back(*index);
      ids_.release_pool_table(*index);
    }
  }

  std::optional<Refusal> backends() {
    auto backends = std::make_shared<std::vector<lb::Backend>>();
    if (previous_) *backends = *previous_->backends;
    NextHops hops(*tables_->routes, hops_anew_ ? std::vector<dataplane::NextHop>{} : *previous_->next_hops);
    retire(*backends);
    for (const PoolModel* pool : changed_pools_) {
      const bool fail_open = is_failing_open(*pool);
      for (const BackendModel& model : pool->backends) {
        const auto id = ids_.backend({pool->name, model.address, model.port});
        if (!id) return out_of_numbers("backends", lb::kMaxBackends);
        if (*id >= backends->size()) backends->resize(*id + size_t{1});
        fill(*pool, model, fail_open, hops, (*backends)[*id]);
      }
    }
    tables_->backends = std::move(backends);
    auto all_hops = hops.take();
    const bool same_hops = !hops_anew_ && all_hops.size() == previous_->next_hops->size();
    tables_->next_hops = same_hops
                             ? previous_->next_hops
                             : std::make_shared<const std::vector<dataplane::NextHop>>(std::move(all_hops));
    return std::nullopt;
  }

  /// What is retired keeps its endpoint, by which flows find their backend under another number; but flows
  /// of a flushed one are to find none, nor those that still have a former number of it.
  void retire(std::vector<lb::Backend>& backends) const {
    for (const lb::BackendId id : retired_backends_) {
      backends[id] = {.address = backends[id].address, .port = backends[id].port};
    }
    for (const BackendKey& key : in_.flushed) {
      for (lb::Backend& backend : backends) {
        const bool is_former = backend.state == BackendState::kRemoved && backend.address == key.address &&
                               backend.port.host() == key.port;
        if (is_former) backend = {};
      }
    }
  }

  void fill(const PoolModel& pool, const BackendModel& model, bool fail_open, NextHops& hops,
            lb::Backend& backend) const {
    const bool is_new = backend.state == BackendState::kRemoved;
    if (hops_anew_ || is_new) backend.next_hop = hops.index_of(model.address);
    backend.address = model.address;
    backend.port = Be16::from_host(model.port);
    backend.weight = model.weight;
    const BackendStatus& status = status_of(pool, model);
    backend.state = effective_state(status).state;
    backend.keeps_flows =
        backend.state == BackendState::kActive || backend.state == BackendState::kDraining ||
        (backend.state == BackendState::kDown && fail_open && status.admin == AdminState::kActive);
  }

  const BackendStatus& status_of(const PoolModel& pool, const BackendModel& model) const {
    static const BackendStatus kUnknown;
    const auto status = in_.status.find({pool.name, model.address, model.port});
    return status == in_.status.end() ? kUnknown : status->second;
  }

  /// Whether every backend that is neither draining nor in maintenance is down, and that shall not matter.
  bool is_failing_open(const PoolModel& pool) const {
    if (!pool.fail_open) return false;
    bool any_down = false;
    for (const BackendModel& model : pool.backends) {
      const BackendStatus& status = status_of(pool, model);
      if (status.admin != AdminState::kActive) continue;
      if (status.healthy) return false;
      any_down = true;
    }
    return any_down;
  }

  /// Those that take new flows, as one protocol has them.
  std::vector<lb::WeightedEndpoint> eligible(const PoolModel& pool, IpProtocol protocol) const {
    std::vector<lb::WeightedEndpoint> endpoints;
    for (const BackendModel& model : pool.backends) {
      const lb::BackendId id = *ids_.find_backend({pool.name, model.address, model.port});
      const lb::Backend& backend = (*tables_->backends)[id];
      const bool takes_flows = backend.state == BackendState::kActive ||
                               (backend.state == BackendState::kDown && backend.keeps_flows);
      if (takes_flows && backend.weight > 0) {
        endpoints.push_back({{backend.address, backend.port, protocol}, backend.weight, id});
      }
    }
    return endpoints;
  }

  std::optional<Refusal> pool_tables() {
    if (previous_) {
      tables_->pools = previous_->pools;
      tables_->members = previous_->members;
    }
    for (const uint32_t index : released_tables_) {
      tables_->pools[index] = nullptr;
      tables_->members[index] = nullptr;
    }
    for (const PoolModel* pool : changed_pools_) {
      const uint32_t size = pool->table_size.value_or(lb::maglev_table_size(pool->backends.size()));
      for (const IpProtocol protocol : kProtocols) {
        const auto& needs = uses_.at(pool->name).of(protocol);
        if (!needs) continue;
        const auto index = ids_.pool_table(pool->name, protocol);
        if (!index) return out_of_numbers("pools", lb::kMaxPools);
        if (*index >= tables_->pools.size()) {
          tables_->pools.resize(*index + size_t{1});
          tables_->members.resize(*index + size_t{1});
        }
        auto& pool_members = tables_->members[*index];
        if (!pool_members || !has_same_members(*pool)) pool_members = members(*pool);
        auto& table = tables_->pools[*index];
        const auto endpoints = eligible(*pool, protocol);
        if (table && is_up_to_date(*table, endpoints, size, *needs)) continue;
        table = lb::PoolTable::build(*index, endpoints, size, tables_->hash_key, *needs);
      }
    }
    return std::nullopt;
  }

  /// Whether a pool's backends, and their numbers, are those of before.
  bool has_same_members(const PoolModel& pool) const {
    if (!before_ || flushed_pools_.contains(pool.name)) return false;
    const auto then = before_->pools.find(pool.name);
    return then != before_->pools.end() && then->second.get() == &pool;
  }

  std::shared_ptr<const lb::PoolMembers> members(const PoolModel& pool) const {
    std::vector<lb::PoolMembers::Member> members;
    members.reserve(pool.backends.size());
    for (const BackendModel& model : pool.backends) {
      members.push_back({model.address, Be16::from_host(model.port),
                         *ids_.find_backend({pool.name, model.address, model.port})});
    }
    return std::make_shared<const lb::PoolMembers>(std::move(members));
  }

  static bool is_up_to_date(const lb::PoolTable& table, std::vector<lb::WeightedEndpoint> endpoints,
                            uint32_t size, lb::PoolTable::Needs needs) {
    if (table.slots().size() != (endpoints.empty() ? 0 : size)) return false;
    if (!endpoints.empty() && needs.schedule != !table.schedule().empty()) return false;
    std::sort(endpoints.begin(), endpoints.end(),
              [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
    return std::equal(endpoints.begin(), endpoints.end(), table.candidates().begin(),
                      table.candidates().end(),
                      [](const lb::WeightedEndpoint& a, const lb::WeightedEndpoint& b) {
                        return a.endpoint == b.endpoint && a.weight == b.weight && a.id == b.id;
                      });
  }

  const lb::PoolTable* table_of(const ServiceModel& service) const {
    return tables_->pools[*ids_.find_pool_table(service.pool, service.protocol)].get();
  }

  std::optional<Refusal> services() {
    if (!services_changed_) {
      repoint_services();
      return std::nullopt;
    }
    // Those that are gone tell how they forwarded, to flows that look for their successor.
    auto services = previous_ ? std::make_shared<std::vector<lb::Service>>(*previous_->services)
                              : std::make_shared<std::vector<lb::Service>>();
    for (lb::Service& service : *services) service.pool = nullptr;
    std::vector<lb::ServiceMatch> matches;
    matches.reserve(model_.services.size());
    for (const auto& [name, service] : model_.services) {
      const auto id = ids_.service(identity_of(*service));
      if (!id) return out_of_numbers("services", lb::kMaxServices);
      if (ids_.service_limit() > services->size()) services->resize(ids_.service_limit());
      const auto timeout =
          service->protocol == IpProtocol::kUdp ? service->udp_idle_timeout : service->tcp_idle_timeout;
      (*services)[*id] = {table_of(*service), service->policy, service->forward, service->protocol,
                          static_cast<uint32_t>(timeout.count())};
      matches.push_back({service->address, service->first_port, service->last_port, service->protocol, *id});
    }
    services->resize(ids_.service_limit());
    tables_->services = std::move(services);
    tables_->service_table = lb::ServiceTable::build(matches);
    return std::nullopt;
  }

  /// The services are the same, but pools have new tables.
  void repoint_services() {
    tables_->service_table = previous_->service_table;
    if (tables_->pools == previous_->pools) {
      tables_->services = previous_->services;
      return;
    }
    auto services = std::make_shared<std::vector<lb::Service>>(*previous_->services);
    for (lb::Service& service : *services) {
      // A table keeps its number: the old one tells where the new one is. The old one is alive still.
      if (service.pool) service.pool = tables_->pools[service.pool->index()].get();
    }
    tables_->services = std::move(services);
  }

  void announced_addresses() {
    const bool same = previous_ && !services_changed_ && tables_->snat == previous_->snat;
    tables_->announcements =
        same ? previous_->announcements
             : announcements(model_, *tables_, previous_ ? previous_->announcements : nullptr);
    const bool same_groups = previous_ && tables_->announcements == previous_->announcements;
    tables_->memberships = same_groups ? previous_->memberships
                                       : memberships(*tables_, previous_ ? previous_->memberships : nullptr);
  }

  /// Whom the data plane keeps in mind whatever strangers do.
  void next_hop_addresses() {
    if (!routes_changed_ && tables_->next_hops == previous_->next_hops) {
      tables_->next_hop_addresses = previous_->next_hop_addresses;
      return;
    }
    std::vector<IpAddress> addresses;
    for (const dataplane::NextHop& hop : *tables_->next_hops) addresses.push_back(hop.address);
    for (const RouteModel& route : model_.routes) addresses.push_back(route.via);
    tables_->next_hop_addresses = std::make_shared<const dataplane::AddressSet>(addresses);
  }

  void dnat_backends() {
    if (!services_changed_ && (!previous_->dnat_backends || has_same_addresses())) {
      tables_->dnat_backends = previous_->dnat_backends;
      return;
    }
    std::set<const PoolModel*> pools;
    for (const auto& [name, service] : model_.services) {
      if (service->forward == lb::ForwardMode::kDnat) pools.insert(model_.pools.at(service->pool).get());
    }
    if (pools.empty()) return;
    std::vector<IpAddress> addresses;
    for (const PoolModel* pool : pools) {
      for (const BackendModel& backend : pool->backends) addresses.push_back(backend.address);
    }
    tables_->dnat_backends = std::make_shared<const dataplane::AddressSet>(addresses);
  }

  /// Whether no pool has gained or lost a backend.
  bool has_same_addresses() const {
    const auto same = [](const BackendModel& a, const BackendModel& b) { return a.address == b.address; };
    bool all_same = true;
    for_each_difference(
        before_->pools, model_.pools, [&](const std::string&, const PoolModel* old, const PoolModel* now) {
          all_same = all_same && old && now && std::ranges::equal(old->backends, now->backends, same);
        });
    return all_same;
  }

  const CompileInput& in_;
  IdRegistry& ids_;
  const Model& model_;
  const Model* const before_;
  const Tables* const previous_;
  std::shared_ptr<Tables> tables_ = std::make_shared<Tables>();
  bool routes_changed_ = true;
  bool services_changed_ = true;
  bool snat_indexes_hold_ = true;
  bool hops_anew_ = true;
  PoolUses uses_;
  std::vector<const PoolModel*> changed_pools_;
  std::vector<lb::BackendId> retired_backends_;
  std::vector<uint32_t> released_tables_;
  std::unordered_set<std::string_view> flushed_pools_;
};

}  // namespace

Outcome<Compiled> compile(const CompileInput& input, IdRegistry& ids) {
  auto result = Compiler(input, ids).run();
  if (!result) ids.discard();
  return result;
}

}  // namespace sluice::ctrl
