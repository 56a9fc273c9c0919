#include "ctrl/resolve/compile.h"

#include <algorithm>
#include <set>
#include <utility>

#include "ctrl/intent/announcements.h"
#include "ctrl/intent/model_changes.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/resolve/compile_ledger.h"
#include "ctrl/resolve/compile_network.h"
#include "ctrl/resolve/compile_step.h"
#include "ctrl/resolve/compile_tunnels.h"
#include "ctrl/resolve/disruption.h"
#include "dataplane/tables/address_set.h"

namespace sluice::ctrl {
namespace {

using dataplane::Tables;

/// One run of compile().
class Compiler {
 public:
  Compiler(const CompileInput& input, IdRegistry& ids)
      : step_{.in = input,
              .ids = ids,
              .model = *input.effective.intent,
              .before = input.before ? input.before->intent.get() : nullptr,
              .previous = input.previous,
              .tables = tables_} {}

  Outcome<Compiled> run() {
    tables_.generation = step_.in.generation;
    tables_.configuration = step_.in.configuration;
    tables_.hash_key = step_.model.hash_key.value_or(step_.in.kept_hash_key);
    tables_.encapsulation = step_.model.encapsulation;
    tables_.flow_reading = step_.in.flow_reading;
    network();
    std::vector<lb::ServiceId> moved;
    if (auto refusal = compile_pools(step_)) return tl::unexpected(std::move(*refusal));
    if (auto refusal = compile_services(step_, moved)) return tl::unexpected(std::move(*refusal));
    compile_rules(step_);
    compile_inspections(step_);
    announced_addresses();
    next_hop_addresses();
    dnat_backends();
    mirror_backends();
    Compiled result;
    if (step_.before) {
      result.disruption = step_.services_changed
                              ? disruption({*step_.before, *step_.previous}, {step_.model, tables_})
                              : moved_fractions(moved);
    }
    result.changed = changed();
    result.added = std::move(step_.added);
    result.tables = std::make_shared<const Tables>(std::move(tables_));
    return result;
  }

 private:
  void network() {
    tables_.ports = step_.previous ? step_.previous->ports : port_views(step_.model, step_.in.ports);
    step_.routes_changed = !step_.before || step_.before->routes != step_.model.routes ||
                           step_.before->neighbors != step_.model.neighbors ||
                           step_.before->tunnels != step_.model.tunnels;
    tables_.routes = step_.routes_changed ? route_table(step_.model) : step_.previous->routes;
    tables_.neighbors = step_.routes_changed ? static_neighbors(step_.model) : step_.previous->neighbors;
    const bool same_tunnels = !step_.routes_changed && step_.in.tunnels == step_.in.tunnels_before;
    tables_.tunnels =
        same_tunnels ? step_.previous->tunnels : tunnel_tables(step_.model, step_.in.tunnels, tables_);
    tables_.ingress = step_.previous ? step_.previous->ingress : ingress_table(step_.model);
    SnatOrder order =
        order_snat(step_.previous ? step_.previous->snat : std::vector<IpAddress>{}, step_.model.snat);
    tables_.snat = std::move(order.addresses);
    step_.snat_indexes_hold = order.indexes_hold;
    const bool same_addresses = step_.previous && step_.previous->snat == tables_.snat;
    tables_.own_addresses = same_addresses ? step_.previous->own_addresses : own_addresses(tables_);
    step_.services_changed =
        !step_.before || step_.before->services != step_.model.services || !step_.snat_indexes_hold;
    step_.services_changed |= step_.before && watches_others(*step_.before, step_.model);
    // A list of next hops that is mostly history is made anew, and so are the indexes into it.
    step_.hops_anew =
        step_.routes_changed || step_.previous->next_hops->size() > 2 * step_.ids.backend_limit() + 1024;
  }

  /// Whether services see to other pools' failures, though they are the same themselves.
  static bool watches_others(const Model& before, const Model& now) {
    bool others = false;
    for_each_difference(before.pools, now.pools,
                        [&](const std::string&, const PoolModel* then, const PoolModel* pool) {
                          others |= then && pool && then->outlier.has_value() != pool->outlier.has_value();
                        });
    return others;
  }

  void announced_addresses() {
    const bool same = step_.previous && !step_.services_changed && tables_.snat == step_.previous->snat;
    tables_.announcements =
        same ? step_.previous->announcements
             : announcements(step_.model, tables_, step_.previous ? step_.previous->announcements : nullptr);
    const bool same_groups = step_.previous && tables_.announcements == step_.previous->announcements;
    tables_.memberships = same_groups
                              ? step_.previous->memberships
                              : memberships(tables_, step_.previous ? step_.previous->memberships : nullptr);
  }

  /// Whom the data plane keeps in mind whatever strangers do.
  void next_hop_addresses() {
    if (!step_.routes_changed && tables_.next_hops == step_.previous->next_hops) {
      tables_.next_hop_addresses = step_.previous->next_hop_addresses;
      return;
    }
    std::vector<IpAddress> addresses;
    for (const dataplane::NextHop& hop : *tables_.next_hops) addresses.push_back(hop.address);
    for (const RouteModel& route : step_.model.routes) addresses.push_back(route.via);
    for (size_t i = 0; tables_.tunnels && i < tables_.tunnels->tunnels().size(); ++i) {
      const dataplane::Tunnel& tunnel = tables_.tunnels->tunnels()[i];
      if (tunnel.has_way) addresses.push_back(tunnel.next_hop);
    }
    tables_.next_hop_addresses = std::make_shared<const dataplane::AddressSet>(addresses);
  }

  void dnat_backends() {
    if (!step_.services_changed && (!step_.previous->dnat_backends || has_same_addresses())) {
      tables_.dnat_backends = step_.previous->dnat_backends;
      return;
    }
    std::set<std::string_view> pools;
    bool is_any_steered = step_.before && has_steered_dnat(*step_.before);
    for (const auto& [name, service] : step_.model.services) {
      if (service->forward != lb::ForwardMode::kDnat) continue;
      is_any_steered |= is_steered(*service);
      for (const std::string_view pool : all_pools_of(*service)) pools.insert(pool);
    }
    if (pools.empty()) return;
    // Flows stay with a backend that neither routes nor split lead to any more.
    const auto* const former =
        is_any_steered && step_.previous ? step_.previous->dnat_backends.get() : nullptr;
    std::vector<IpAddress> addresses;
    for (const auto& [name, pool] : step_.in.effective.pools) {
      const bool is_used = pools.contains(name);
      for (const Member& member : pool->members->members) {
        if (is_used || (former && former->contains(member.at.address)))
          addresses.push_back(member.at.address);
      }
    }
    tables_.dnat_backends = std::make_shared<const dataplane::AddressSet>(addresses);
  }

  /// Whose packets may be answers to copies.
  void mirror_backends() {
    if (!step_.services_changed && (!step_.previous->mirror_backends || has_same_addresses())) {
      tables_.mirror_backends = step_.previous->mirror_backends;
      return;
    }
    std::vector<IpAddress> addresses;
    for (const auto& [name, service] : step_.model.services) {
      if (!service->mirror) continue;
      for (const Member& member : step_.in.effective.pools.at(service->mirror->pool)->members->members) {
        addresses.push_back(member.at.address);
      }
    }
    if (addresses.empty()) return;
    tables_.mirror_backends = std::make_shared<const dataplane::AddressSet>(addresses);
  }

  static bool has_steered_dnat(const Model& model) {
    return std::ranges::any_of(model.services, [](const auto& entry) {
      return entry.second->forward == lb::ForwardMode::kDnat && is_steered(*entry.second);
    });
  }

  /// Whether no pool has gained or lost a backend.
  bool has_same_addresses() const {
    const auto same = [](const Member& a, const Member& b) { return a.at == b.at; };
    bool all_same = true;
    for_each_difference(step_.in.before->members, step_.in.effective.members,
                        [&](const std::string&, const MemberList* old, const MemberList* now) {
                          all_same =
                              all_same && old && now && std::ranges::equal(old->members, now->members, same);
                        });
    return all_same;
  }

  /// Parts of the intent that differ, and pools of which the backends do.
  std::vector<std::string> changed() const {
    std::set<std::string> parts;
    for (std::string& part :
         step_.before ? changed_parts(*step_.before, step_.model) : all_parts(step_.model)) {
      parts.insert(std::move(part));
    }
    for (const BackendKey& key : step_.in.flushed) parts.insert("pool/" + key.pool);
    if (step_.before) {
      for_each_difference(step_.in.before->pools, step_.in.effective.pools,
                          [&](const std::string& name, const EffectivePool* old, const EffectivePool* now) {
                            if (old && now && old->backends != now->backends) parts.insert("pool/" + name);
                          });
    }
    return {parts.begin(), parts.end()};
  }

  /// By name of service: how many of its new flows get another backend.
  std::map<std::string, double> moved_fractions(const std::vector<lb::ServiceId>& moved) const {
    std::map<std::string, double> result;
    Disruption disruption(*step_.previous, tables_);
    for (const lb::ServiceId id : moved) {
      const ServiceIdentity* const service = step_.ids.service_at(id);
      if (!service) continue;
      const auto fraction = disruption.between((*step_.previous->services)[id], (*tables_.services)[id],
                                               service->address.address.is_v4());
      if (fraction) result.emplace(service->name, *fraction);
    }
    return result;
  }

  Tables tables_;
  CompileStep step_;
};

}  // namespace

Refusal out_of_numbers(const char* what, size_t limit) {
  return {Refusal::Kind::kUnavailable,
          std::string("there are ") + std::to_string(limit) + " " + what +
              ", counting those removed whose flows have not ended yet",
          "try again once the flows of what was removed have ended",
          {}};
}

Outcome<Compiled> compile(const CompileInput& input, IdRegistry& ids) {
  auto result = Compiler(input, ids).run();
  if (!result) ids.discard();
  return result;
}

}  // namespace sluice::ctrl
