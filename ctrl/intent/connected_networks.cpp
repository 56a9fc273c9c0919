#include "ctrl/intent/connected_networks.h"

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

ConnectedNetworks connected_networks(const Model& model) {
  ConnectedNetworks networks(model.boot.ports.size());
  for (size_t port = 0; port < model.boot.ports.size(); ++port) {
    for (const Prefix& address : model.boot.ports[port].addresses) {
      networks.add(address, static_cast<uint16_t>(port));
    }
  }
  for (const RouteModel& route : model.routes) networks.add_route(route.to, route.via, route.via_port);
  for (const NeighborModel& neighbor : model.neighbors) {
    if (!neighbor.port) networks.add_neighbor(neighbor.address);
  }
  return networks;
}

}  // namespace sluice::ctrl
