#include "ctrl/observed/offers.h"

#include <algorithm>
#include <map>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_overlap.h"
#include "ctrl/intent/service_pools.h"

namespace sluice::ctrl {
namespace {

/// The addresses of services stand for them in the state of the source.
std::vector<Discovered> places_of(const OfferedServices& services) {
  std::vector<Instance> instances;
  for (const OfferedService& service : services) {
    instances.push_back({.address = service.address, .port = service.port});
  }
  return fold(instances);
}

/// The known object where it says the same.
template <typename Object>
std::shared_ptr<const Object> same_or_new(const SharedMap<Object>* known, Object object) {
  const auto found = known ? known->find(object.name) : typename SharedMap<Object>::Iterator();
  if (known && found != known->end() && *found->second == object) return found->second;
  return std::make_shared<const Object>(std::move(object));
}

lb::ServiceMatch match_of(const ServiceModel& service) {
  return {service.address, service.first_port, service.last_port, service.protocol};
}

Prefix host_prefix(const IpAddress& address) {
  return {address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)};
}

class Merge {
 public:
  Merge(const Model& intent, const OffersSoFar& so_far)
      : intent_(intent), so_far_(so_far), previous_(so_far.model), next_(intent) {
    for (const auto& [name, pool] : intent_.pools) {
      if (!pool->discover || pool->discover->source != intent_.services_from) continue;
      pool_of_cluster_.emplace(pool->discover->cluster, name);
    }
    for (const auto& [name, service] : intent_.services) matches_.push_back(match_of(*service));
    first_offered_ = matches_.size();
  }

  void add(const OfferedService& offered) {
    if (const std::string why = objection(offered); !why.empty()) return leave_out(offered.name, why);
    ServiceModel service = service_of(offered);
    if (is_waiting_for_pools(service)) {
      const ServiceModel* const before = previous_offer(offered);
      if (before == nullptr) return;
      keep_pools_of(*before);
      service = *before;
    }
    candidates_.push_back(std::move(service));
    matches_.push_back(match_of(candidates_.back()));
  }

  OfferedModel finish() && {
    std::set<size_t> overlapping;
    if (!candidates_.empty()) {
      for (const Overlap& overlap : find_overlaps(matches_)) overlapping.insert(overlap.later);
    }
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (overlapping.contains(first_offered_ + i)) {
        leave_out(candidates_[i].name, "another service has its address and port");
        continue;
      }
      std::string name = candidates_[i].name;
      next_.services.set(name,
                         same_or_new(previous_ ? &previous_->services : nullptr, std::move(candidates_[i])));
    }
    keep_pools_with_flows();
    return {std::make_shared<const Model>(std::move(next_)), std::move(left_out_)};
  }

 private:
  void leave_out(const std::string& name, const std::string& why) {
    left_out_.push_back("listener " + name + ": " + why);
  }

  /// Why it cannot be a service here; empty: it can, unless it overlaps with another.
  std::string objection(const OfferedService& offered) const {
    constexpr uint16_t kFirstSnatPort = 1024;
    const IpAddress& address = offered.address;
    const bool v4 = address.is_v4();
    if (!parse_name(offered.name)) return "its name is not made of visible ASCII characters";
    for (const OfferedService::Target& target : offered.targets) {
      if (!parse_name(target.cluster)) return "a cluster's name is not made of visible ASCII characters";
    }
    if (intent_.services.contains(offered.name)) return "the configuration has a service of that name";
    if (!is_host_address(address)) return "its address is not that of one host";
    if (std::ranges::none_of(intent_.snat, [&](const IpAddress& snat) { return snat.is_v4() == v4; })) {
      return std::string("full-nat needs an ") + (v4 ? "IPv4" : "IPv6") + " address in \"snat\"";
    }
    if (offered.port >= kFirstSnatPort && std::ranges::find(intent_.snat, address) != intent_.snat.end()) {
      return "ports 1024 to 65535 of that address are for replies to full-nat";
    }
    if (intent_.ledger) {
      for (const IngressModel& ingress : intent_.ledger->ingress) {
        if (ingress.address == address) return "its address is one of the ledger";
      }
    }
    return objection_of_pools(offered);
  }

  /// full-nat stays within a family.
  std::string objection_of_pools(const OfferedService& offered) const {
    for (const OfferedService::Target& target : offered.targets) {
      const auto pool = intent_.pools.find(pool_name(target.cluster));
      if (pool == intent_.pools.end()) continue;
      for (const BackendModel& backend : pool->second->backends) {
        if (backend.address == offered.address) return "its address is a backend of pool " + pool->first;
        if (backend.address.is_v4() == offered.address.is_v4()) continue;
        return "pool " + pool->first + " lists a backend of the other family";
      }
    }
    return "";
  }

  std::string pool_name(const std::string& cluster) const {
    const auto named = pool_of_cluster_.find(cluster);
    return named == pool_of_cluster_.end() ? cluster : named->second;
  }

  /// The pool of a cluster, which is there from now on.
  const PoolModel& pool_of(const std::string& cluster) {
    const std::string name = pool_name(cluster);
    if (!next_.pools.contains(name)) {
      PoolModel pool;
      pool.name = name;
      pool.discover.emplace();
      pool.discover->source = intent_.services_from;
      pool.discover->cluster = cluster;
      next_.pools.set(name, same_or_new(previous_ ? &previous_->pools : nullptr, std::move(pool)));
    }
    return *next_.pools.at(name);
  }

  ServiceModel service_of(const OfferedService& offered) {
    ServiceModel service;
    service.name = offered.name;
    service.address = host_prefix(offered.address);
    service.first_port = service.last_port = offered.port;
    std::map<std::string, uint32_t> weights;  // several clusters may be one pool
    std::vector<std::string> order;
    for (const OfferedService::Target& target : offered.targets) {
      const std::string& pool = pool_of(target.cluster).name;
      const auto [known, is_new] = weights.try_emplace(pool, 0);
      if (is_new) order.push_back(pool);
      known->second = std::min(known->second + target.weight, 65535u);
    }
    if (order.size() == 1) {
      service.pool = order.front();
      return service;
    }
    for (const std::string& pool : order) service.split.push_back({pool, weights[pool]});
    return service;
  }

  bool is_waiting_for_pools(const ServiceModel& service) const {
    return std::ranges::any_of(pools_of(service), [&](std::string_view name) {
      const auto pool = next_.pools.find(name);
      return pool != next_.pools.end() && pool->second->discover &&
             !so_far_.answered.contains(std::string(name));
    });
  }

  /// What was served of it before; null: nothing, or something else.
  const ServiceModel* previous_offer(const OfferedService& offered) const {
    if (previous_ == nullptr) return nullptr;
    const auto known = previous_->services.find(offered.name);
    if (known == previous_->services.end()) return nullptr;
    const ServiceModel& service = *known->second;
    const bool is_same_place = service.address == host_prefix(offered.address) &&
                               service.first_port == offered.port && service.last_port == offered.port;
    return is_same_place && service.forward == lb::ForwardMode::kFullNat ? &service : nullptr;
  }

  void keep_pools_of(const ServiceModel& service) {
    for (const std::string_view name : pools_of(service)) {
      if (next_.pools.contains(name)) continue;
      const auto known = previous_->pools.find(name);
      if (known != previous_->pools.end()) next_.pools.set(name, known->second);
    }
  }

  void keep_pools_with_flows() {
    if (previous_ == nullptr) return;
    for (const auto& [name, pool] : previous_->pools) {
      const bool was_added = pool->backends.empty() && pool->discover &&
                             pool->discover->source == intent_.services_from && !next_.pools.contains(name);
      if (was_added && so_far_.has_flows && so_far_.has_flows(name)) next_.pools.set(name, pool);
    }
  }

  const Model& intent_;
  const OffersSoFar& so_far_;
  const Model* const previous_;  ///< null: nothing counts yet
  Model next_;
  std::map<std::string, std::string> pool_of_cluster_;  ///< that the configuration has
  std::vector<lb::ServiceMatch> matches_;               ///< of its services, then of `candidates_`
  size_t first_offered_ = 0;
  std::vector<ServiceModel> candidates_;
  std::vector<std::string> left_out_;
};

}  // namespace

SourcePolicy Offers::policy(const SourceModel& source) {
  return {.on_empty = source.on_empty, .resync = source.resync};
}

void Offers::follow(const Model& model, Moment now) {
  if (model.services_from == source_) return;
  source_ = model.services_from;
  standing_ = DiscoveredPool(now);
  applied_.clear();
  told_.clear();
}

bool Offers::take(SourceWord& word, const SourceModel& source, Moment now) {
  switch (word.kind) {
    case SourceWord::Kind::kDelivered:
      told_ = std::move(word.services);
      standing_.deliver(places_of(told_), {}, policy(source), now);
      if (standing_.is_held() || told_ == applied_) return false;
      applied_ = told_;
      return true;
    case SourceWord::Kind::kConfirmed:
      standing_.confirm(now);
      return false;
    case SourceWord::Kind::kLost:
      standing_.lost(word.reason, now);
      return false;
  }
  return false;
}

bool Offers::release(const SourceModel& source, Moment now) {
  if (!standing_.release(policy(source), now)) return false;
  applied_ = told_;
  return true;
}

OfferedModel with_offered(const std::shared_ptr<const Model>& intent, const OfferedServices& offered,
                          const OffersSoFar& so_far) {
  if (intent->services_from.empty()) return {intent, {}};
  Merge merge(*intent, so_far);
  for (const OfferedService& service : offered) merge.add(service);
  return std::move(merge).finish();
}

}  // namespace sluice::ctrl
