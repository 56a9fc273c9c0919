// Checks of what packets meet beyond their service: whether backends can be sent to at all, and whether the
// ports on the way have room for what goes through them.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/intent/config_checks.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/connected_networks.h"
#include "ctrl/intent/service_pools.h"
#include "dataplane/forward/gue.h"
#include "dataplane/forward/ipip.h"
#include "dataplane/tables/address_set.h"

namespace sluice::ctrl {
namespace {

/// What every router passes on whole: RFC 791, 3.2.
constexpr size_t kLeastIpv4Mtu = 68;
/// Of every link; hosts ignore whoever says less: RFC 8200, 5, and RFC 8201, 4.
constexpr size_t kLeastIpv6Mtu = 1280;
/// Nothing asks for more.
constexpr size_t kAlwaysEnough = kLeastIpv6Mtu + dataplane::gue_bytes(false);

/// Every address at which a packet would come back here.
dataplane::AddressSet own_addresses(const Draft& draft) {
  std::vector<IpAddress> own;
  for (const auto& [entry, index] : draft.port_addresses) own.push_back(entry.address.address);
  for (const auto& [address, index] : draft.snat) own.push_back(address);
  for (const auto& [entry, index] : draft.services) {
    const Prefix& vip = entry.service.address;
    if (entry.matches && vip.length == (vip.address.is_v4() ? 32 : 128)) own.push_back(vip.address);
  }
  for (const auto& [ingress, index] : draft.ingress) own.push_back(ingress.address);
  return dataplane::AddressSet(own);
}

size_t tunnel_bytes(lb::ForwardMode mode, bool outer_v4) {
  if (mode == lb::ForwardMode::kIpip) return dataplane::ipip_bytes(outer_v4);
  return mode == lb::ForwardMode::kGue ? dataplane::gue_bytes(outer_v4) : 0;
}

/// The least MTU that each port may have, and why.
class LeastMtus {
 public:
  explicit LeastMtus(const Draft& draft) : networks_(connected_networks(draft)) {}

  void add_link(const IpAddress& neighbor, std::optional<uint16_t> named_port) {
    const auto port = named_port ? named_port : networks_.port_of(neighbor);
    if (port && neighbor.is_v6()) raise(*port, kLeastIpv6Mtu, "IPv6 goes through this port");
  }
  void add_service(const ServiceModel& service, const PoolModel& pool) {
    const bool v4 = service.address.address.is_v4();
    const size_t inner = v4 ? kLeastIpv4Mtu : kLeastIpv6Mtu;
    for (const BackendModel& backend : pool.backends) {
      const auto port = networks_.port_towards(backend.address);
      if (!port) continue;
      const bool outer_v4 = backend.address.is_v4();
      const size_t added = tunnel_bytes(service.forward, outer_v4);
      raise(*port, std::max(inner + added, outer_v4 ? 0 : kLeastIpv6Mtu),
            "service \"" + service.name + "\" sends " + (v4 ? "IPv4" : "IPv6") + " packets of at least " +
                std::to_string(inner) + " bytes through this port" +
                (added > 0 ? ", in " + std::string(word_for(service.forward)) : ""));
    }
  }
  void report(const Draft& draft, Cursor::Faults& faults) const {
    for (const auto& [port, least] : least_) {
      if (draft.model.boot.ports[port].mtu >= least.mtu) continue;
      faults.add("/ports/" + std::to_string(port) + "/mtu",
                 "must be at least " + std::to_string(least.mtu) + ": " + least.why);
    }
  }

 private:
  struct Least {
    size_t mtu = 0;
    std::string why;
  };
  void raise(uint16_t port, size_t mtu, const std::string& why) {
    Least& least = least_[port];
    if (mtu > least.mtu) least = {mtu, why};
  }

  const ConnectedNetworks networks_;
  std::map<uint16_t, Least> least_;
};

}  // namespace

void check_backend_addresses(const Draft& draft, Cursor::Faults& faults) {
  const dataplane::AddressSet own = own_addresses(draft);
  const ConnectedNetworks networks = port_networks(draft);
  for (const Listed<PoolDraft>& listed : draft.pools) {
    const PoolDraft& entry = listed.value;
    const bool is_checked = entry.pool.health.type != HealthType::kNone;
    for (size_t i = 0; i < entry.pool.backends.size(); ++i) {
      const IpAddress& address = entry.pool.backends[i].address;
      const auto refuse = [&](const std::string& why) {
        faults.add("/pools/" + std::to_string(listed.index) + "/backends/" +
                       std::to_string(entry.backend_index[i]) + "/address",
                   address.to_string() + why);
      };
      if (own.contains(address)) {
        refuse(" is an address of this gateway itself: packets would come back to it");
      } else if (is_link_local(address) && is_checked) {
        refuse(" is link-local, which health checks cannot reach: it is the same on every link");
      } else if (is_link_local(address) && !networks.port_of(address)) {
        refuse(" is link-local and on no network of a port, so it cannot be reached");
      }
    }
  }
}

void check_mtus(const Draft& draft, Cursor::Faults& faults) {
  const auto& ports = draft.model.boot.ports;
  if (std::all_of(ports.begin(), ports.end(), [](const auto& port) { return port.mtu >= kAlwaysEnough; })) {
    return;
  }
  LeastMtus least(draft);
  for (const auto& [entry, index] : draft.port_addresses) {
    least.add_link(entry.address.address, static_cast<uint16_t>(entry.port));
  }
  for (const auto& [route, index] : draft.routes) least.add_link(route.via, route.via_port);
  for (const auto& [neighbor, index] : draft.neighbors) least.add_link(neighbor.address, neighbor.port);
  std::map<std::string_view, const PoolModel*> pools;
  for (const auto& [entry, index] : draft.pools) pools.emplace(entry.pool.name, &entry.pool);
  for (const auto& [entry, index] : draft.services) {
    if (!entry.matches) continue;
    for (const std::string_view name : all_pools_of(entry.service)) {
      const auto pool = pools.find(name);
      if (pool != pools.end()) least.add_service(entry.service, *pool->second);
    }
  }
  least.report(draft, faults);
}

}  // namespace sluice::ctrl
