#include "ctrl/intent/tunnel_networks.h"

#include <set>

namespace sluice::ctrl {

TunnelNetworks::TunnelNetworks(const std::vector<TunnelModel>& tunnels) {
  std::vector<dataplane::Route> routes;
  std::set<Prefix> known;
  for (size_t i = 0; i < tunnels.size(); ++i) {
    for (const Prefix& network : tunnels[i].networks) {
      if (known.insert(network).second) routes.push_back({network, static_cast<uint16_t>(i), false, {}});
    }
  }
  networks_ = dataplane::RouteTable::build(routes);
}

std::optional<size_t> TunnelNetworks::leading_to(const IpAddress& address) const {
  const dataplane::Route* const route = networks_->find(address);
  return route == nullptr ? std::nullopt : std::optional<size_t>(route->port);
}

}  // namespace sluice::ctrl
