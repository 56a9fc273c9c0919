#include "ctrl/resolve/compile_network.h"

#include <algorithm>
#include <array>

#include "ctrl/intent/connected_networks.h"

namespace sluice::ctrl {
namespace {

using dataplane::NextHop;
using dataplane::PortView;
using dataplane::Route;

/// fe80::/64 and the modified EUI-64 of the MAC (RFC 4291, 2.5.6 and appendix A).
IpAddress link_local(const MacAddress& mac) {
  const std::array<uint8_t, 6>& m = mac.bytes;
  const std::array<uint8_t, 16> bytes{
      0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  return IpAddress::v6(bytes.data());
}

}  // namespace

std::vector<PortView> port_views(const Model& model, std::span<const dataplane::PortInfo> ports) {
  std::vector<PortView> views;
  for (size_t i = 0; i < model.boot.ports.size(); ++i) {
    const dataplane::PortConfig& config = model.boot.ports[i];
    PortView view;
    view.mac = ports[i].mac;
    view.mtu = ports[i].mtu;
    view.vlan_ids = config.vlan_ids;
    view.vlan_tags = config.vlan_tags;
    view.kernel = config.kernel;
    view.addresses = config.addresses;
    view.link_local = link_local(view.mac);
    views.push_back(std::move(view));
  }
  return views;
}

std::shared_ptr<const dataplane::RouteTable> route_table(const Model& model) {
  const ConnectedNetworks networks = connected_networks(model);
  std::vector<Route> routes;
  for (const auto& [network, port] : networks.all()) routes.push_back({network, port, true, {}});
  for (const RouteModel& route : model.routes) {
    const auto port = route.via_port ? route.via_port : networks.port_of(route.via);
    if (port) routes.push_back({route.to, *port, false, route.via});
  }
  return dataplane::RouteTable::build(routes);
}

std::shared_ptr<const dataplane::AddressSet> own_addresses(const dataplane::Tables& tables) {
  std::vector<IpAddress> addresses = tables.snat;
  for (const PortView& port : tables.ports) {
    addresses.push_back(port.link_local);
    for (const Prefix& own : port.addresses) addresses.push_back(own.address);
  }
  for (size_t i = 0; tables.ingress && i < tables.ingress->size(); ++i) {
    addresses.push_back((*tables.ingress)[i].address);
  }
  return std::make_shared<const dataplane::AddressSet>(addresses);
}

std::vector<dataplane::StaticNeighbor> static_neighbors(const Model& model) {
  const ConnectedNetworks networks = connected_networks(model);
  std::vector<dataplane::StaticNeighbor> neighbors;
  for (const NeighborModel& neighbor : model.neighbors) {
    if (const auto port = neighbor.port ? neighbor.port : networks.port_of(neighbor.address)) {
      neighbors.push_back({*port, neighbor.address, neighbor.mac});
    }
  }
  return neighbors;
}

SnatOrder order_snat(std::span<const IpAddress> previous, std::span<const IpAddress> wanted) {
  const auto is_in = [](std::span<const IpAddress> list, const IpAddress& address) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  SnatOrder order;
  for (const IpAddress& address : previous) {
    if (is_in(wanted, address)) {
      order.addresses.push_back(address);
    } else {
      order.indexes_hold = false;
    }
  }
  for (const IpAddress& address : wanted) {
    if (!is_in(previous, address)) order.addresses.push_back(address);
  }
  return order;
}

uint32_t NextHops::add(const NextHop& hop) {
  added_.push_back(hop);
  return static_cast<uint32_t>(previous_->size() + added_.size() - 1);
}

uint32_t NextHops::index_of(const IpAddress& destination) {
  if (const uint16_t number = tunnels_ ? tunnels_->leading_to(destination) : uint16_t{0}; number != 0) {
    const dataplane::Tunnel& tunnel = tunnels_->tunnels()[number - 1u];
    return tunnel.has_way ? index_of_gateway({tunnel.port, tunnel.next_hop, number}) : UINT32_MAX;
  }
  const Route* const route = routes_.find(destination);
  if (!route) return UINT32_MAX;
  if (!route->on_link) return index_of_gateway({route->port, route->gateway});
  return add({route->port, destination});
}

uint32_t NextHops::index_of_gateway(const NextHop& hop) {
  const auto [place, is_new] = gateways_.emplace(std::tuple(hop.port, hop.address, hop.tunnel), 0);
  if (is_new) {  // so none of `added_` is that one
    const auto known = std::find_if(previous_->begin(), previous_->end(), [&](const NextHop& other) {
      return other.port == hop.port && other.address == hop.address && other.tunnel == hop.tunnel;
    });
    place->second = known == previous_->end() ? add(hop) : static_cast<uint32_t>(known - previous_->begin());
  }
  return place->second;
}

NextHops::List NextHops::take() const {
  if (added_.empty()) return previous_;
  auto all = std::make_shared<std::vector<NextHop>>(*previous_);
  all->insert(all->end(), added_.begin(), added_.end());
  return all;
}

}  // namespace sluice::ctrl
