#include "ctrl/source/xds_shares.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace sluice::ctrl {
namespace {

bool is_healthy(const XdsEndpoint& endpoint) {
  return endpoint.health == XdsHealth::kHealthy || endpoint.health == XdsHealth::kUnknown;
}

class Shares {
 public:
  explicit Shares(const XdsAssignment& assignment) : assignment_(assignment) {
    for (const XdsLocality& locality : assignment.localities) {
      has_healthy_ |= std::ranges::any_of(locality.endpoints, is_healthy);
      has_weights_ |= locality.weight.has_value();
      if (!locality.endpoints.empty()) priorities_[locality.priority].push_back(&locality);
    }
  }

  std::vector<Instance> all() const {
    const bool has_shares = priorities_.size() > 1 || has_weights_;
    const auto loads = has_shares ? priority_loads() : std::map<uint32_t, double>();
    std::vector<Instance> instances;
    for (const auto& [priority, localities] : priorities_) {
      for (const XdsLocality* const locality : localities) {
        const double of_locality =
            has_shares ? loads.at(priority) * locality_share(localities, *locality) : 0;
        add(*locality, has_shares, of_locality, instances);
      }
    }
    return instances;
  }

 private:
  using Localities = std::vector<const XdsLocality*>;

  bool takes_flows(const XdsEndpoint& endpoint) const {
    return is_healthy(endpoint) || (!has_healthy_ && endpoint.health == XdsHealth::kDegraded);
  }
  size_t available(const XdsLocality& locality) const {
    return static_cast<size_t>(std::ranges::count_if(
        locality.endpoints, [&](const XdsEndpoint& endpoint) { return takes_flows(endpoint); }));
  }

  /// In whole per cent, as Envoy has it, so that both show the same.
  std::map<uint32_t, double> priority_loads() const {
    std::map<uint32_t, uint64_t> health;
    uint64_t total = 0;
    for (const auto& [priority, localities] : priorities_) {
      uint64_t healthy = 0, endpoints = 0;
      for (const XdsLocality* const locality : localities) {
        healthy += available(*locality);
        endpoints += locality->endpoints.size();
      }
      health[priority] = std::min<uint64_t>(100, assignment_.overprovisioning * healthy / endpoints);
      total += health[priority];
    }
    std::map<uint32_t, double> loads;
    const uint64_t normal = std::min<uint64_t>(total, 100);
    uint64_t left = normal == 0 ? 0 : 100;
    for (const auto& [priority, of_it] : health) {
      const uint64_t load = normal == 0 ? 0 : std::min(left, of_it * 100 / normal);
      left -= load;
      loads[priority] = static_cast<double>(load) / 100;
    }
    // What rounding has left over goes to the first that takes any.
    const auto first = std::ranges::find_if(health, [](const auto& entry) { return entry.second > 0; });
    if (first != health.end()) loads[first->first] += static_cast<double>(left) / 100;
    return loads;
  }

  double effective_weight(const XdsLocality& locality) const {
    const double part =
        static_cast<double>(available(locality)) / static_cast<double>(locality.endpoints.size());
    return locality.weight.value_or(0) * std::min(1.0, assignment_.overprovisioning / 100.0 * part);
  }
  double endpoint_weights(const XdsLocality& locality) const {
    double sum = 0;
    for (const XdsEndpoint& endpoint : locality.endpoints) sum += takes_flows(endpoint) ? endpoint.weight : 0;
    return sum;
  }
  /// By the weights of its endpoints where localities have none.
  double locality_share(const Localities& localities, const XdsLocality& locality) const {
    const auto weight = [&](const XdsLocality& one) {
      return has_weights_ ? effective_weight(one) : endpoint_weights(one);
    };
    double sum = 0;
    for (const XdsLocality* const one : localities) sum += weight(*one);
    return sum == 0 ? 0 : weight(locality) / sum;
  }

  void add(const XdsLocality& locality, bool has_shares, double of_locality,
           std::vector<Instance>& instances) const {
    const double sum = endpoint_weights(locality);
    for (const XdsEndpoint& endpoint : locality.endpoints) {
      Instance instance;
      instance.address = endpoint.address;
      instance.name = endpoint.name;
      instance.port = endpoint.port;
      instance.weight = std::min(endpoint.weight, kGreatestWeight);
      instance.takes_new_flows = takes_flows(endpoint);
      if (has_shares) {
        instance.share = instance.takes_new_flows && sum > 0 ? of_locality * endpoint.weight / sum : 0;
      }
      instances.push_back(std::move(instance));
    }
  }

  const XdsAssignment& assignment_;
  bool has_healthy_ = false, has_weights_ = false;
  std::map<uint32_t, Localities> priorities_;
};

}  // namespace

std::vector<Instance> instances_of(const XdsAssignment& assignment) {
  return Shares(assignment).all();
}

}  // namespace sluice::ctrl
