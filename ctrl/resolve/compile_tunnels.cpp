#include "ctrl/resolve/compile_tunnels.h"

#include <utility>
#include <vector>

#include "ctrl/tunnel/tunnel_associations.h"

namespace sluice::ctrl {
namespace {

using dataplane::Route;
using dataplane::Tunnel;

/// How packets of the tunnel's own leave: by the routes alone, whatever tunnels lead to.
void find_way(Tunnel& tunnel, const dataplane::Tables& tables) {
  const Route* const route = tables.routes->find(tunnel.remote);
  if (!route) return;
  tunnel.has_way = true;
  tunnel.port = route->port;
  tunnel.next_hop = route->on_link ? tunnel.remote : route->gateway;
  tunnel.mtu = tables.ports[route->port].mtu;
}

}  // namespace

std::shared_ptr<const dataplane::TunnelTables> tunnel_tables(const Model& model,
                                                             const TunnelAssociations* associations,
                                                             const dataplane::Tables& tables) {
  if (model.tunnels.empty()) return nullptr;
  std::vector<Tunnel> tunnels;
  std::vector<dataplane::InboundEntry> inbound;
  std::vector<Route> networks;
  for (const TunnelModel& configured : model.tunnels) {
    const auto place = static_cast<uint16_t>(tunnels.size());
    Tunnel tunnel{.local = configured.local,
                  .remote = configured.remote,
                  .is_udp = configured.udp,
                  .next_hop = {},
                  .header = dataplane::TunnelHeader(configured.local, configured.remote, configured.udp),
                  .out = nullptr,
                  .state = nullptr};
    find_way(tunnel, tables);
    const TunnelAssociation* const association = associations ? associations->find(configured.name) : nullptr;
    if (association) {
      tunnel.state = association->state;
      tunnel.lacks_storage = association->lacks_storage;
      if (association->out) tunnel.out = association->out->sa;
      for (const InboundAssociation& in : association->in) inbound.push_back({place, in.sa});
    }
    if (!tunnel.state) tunnel.state = std::make_shared<dataplane::TunnelState>(0);
    tunnels.push_back(std::move(tunnel));
    for (const Prefix& network : configured.networks) networks.push_back({network, place, false, {}});
  }
  return std::make_shared<const dataplane::TunnelTables>(std::move(tunnels), std::move(inbound), networks);
}

}  // namespace sluice::ctrl
