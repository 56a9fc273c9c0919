#include "ctrl/intent/backend_rules.h"

#include <vector>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"

namespace sluice::ctrl {
namespace {

/// Every address at which a packet would come back here.
dataplane::AddressSet own_addresses(const Model& model) {
  std::vector<IpAddress> own = model.snat;
  for (const auto& port : model.boot.ports) {
    for (const Prefix& address : port.addresses) own.push_back(address.address);
  }
  for (const auto& [name, service] : model.services) {
    const Prefix& vip = service->address;
    if (vip.length == (vip.address.is_v4() ? 32 : 128)) own.push_back(vip.address);
  }
  if (model.ledger) {
    for (const IngressModel& ingress : model.ledger->ingress) own.push_back(ingress.address);
  }
  return dataplane::AddressSet(own);
}

}  // namespace

BackendRules::BackendRules(const Model& model)
    : own_(own_addresses(model)),
      networks_(connected_networks(model)),
      tunnels_(model.tunnels),
      has_source_v4_(model.encapsulation.source != IpAddress{}),
      has_source_v6_(model.encapsulation.source6 != IpAddress{}) {
  for (const auto& [name, service] : model.services) {
    for (const std::string_view pool : all_pools_of(*service)) add(*service, demands_[std::string(pool)]);
  }
}

void BackendRules::add(const ServiceModel& service, Demands& demands) {
  switch (lb::row_of(service.forward).carriage) {
    case lb::Carriage::kTranslated:
      (service.address.address.is_v4() ? demands.nat_from_v4 : demands.nat_from_v6) = true;
      break;
    case lb::Carriage::kTunnelled:
      demands.tunnel = true;
      break;
    case lb::Carriage::kUnchanged:
      demands.direct = true;
      break;
  }
}

std::string BackendRules::objection(const std::string& pool, const IpAddress& address) const {
  if (!is_host_address(address)) return "it is not the address of one host";
  if (own_.contains(address)) return "it is an address of this gateway itself";
  if (is_link_local(address) && !networks_.port_of(address)) return "it is on no network of a port";
  const auto found = demands_.find(pool);
  return found == demands_.end() ? "" : objection(found->second, address);
}

std::string BackendRules::objection(const Demands& demands, const IpAddress& address) const {
  const bool v4 = address.is_v4();
  if (v4 ? demands.nat_from_v6 : demands.nat_from_v4) {
    return std::string("a service of the pool translates ") + (v4 ? "IPv6" : "IPv4") + " alone";
  }
  if (demands.tunnel && !(v4 ? has_source_v4_ : has_source_v6_)) {
    return std::string("a service of the pool would need ") + (v4 ? "encap.source" : "encap.source6");
  }
  if (demands.direct && !networks_.port_of(address)) {
    return "a service of the pool forwards directly, and it is on no network of a port";
  }
  if (demands.direct && tunnels_.leading_to(address)) {
    return "a service of the pool forwards directly, and it is behind a tunnel";
  }
  return "";
}

}  // namespace sluice::ctrl
