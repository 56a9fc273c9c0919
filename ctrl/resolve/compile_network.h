// Ports, routes and next hops of Tables: what compile() does that is no balancing. Control thread.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "ctrl/intent/model.h"
#include "dataplane/esp/tunnel_tables.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

std::vector<dataplane::PortView> port_views(const Model& model, std::span<const dataplane::PortInfo> ports);
/// The configured routes, and those to the ports' own networks and to static neighbors beyond them.
std::shared_ptr<const dataplane::RouteTable> route_table(const Model& model);
/// What Tables::own_addresses is of.
std::shared_ptr<const dataplane::AddressSet> own_addresses(const dataplane::Tables& tables);
std::vector<dataplane::StaticNeighbor> static_neighbors(const Model& model);

/// The addresses of `wanted`, those of `previous` at the index that they have there: flows of full-nat
/// keep the index of their source. Once one of `previous` is gone, no index holds any more: flows whose
/// address is still there are to be given its new index, by another number of their service.
struct SnatOrder {
  std::vector<IpAddress> addresses;
  bool indexes_hold = true;
};
SnatOrder order_snat(std::span<const IpAddress> previous, std::span<const IpAddress> wanted);

/// Gathers the next hops of backends. A gateway is there once; a backend on a link once for each time that
/// it was asked for, since looking for its twin among 100,000 would cost more than it saves.
class NextHops {
 public:
  using List = std::shared_ptr<const std::vector<dataplane::NextHop>>;

  /// Continues `previous`, whose indexes stay as they are; null: there are none.
  NextHops(const dataplane::Tables& tables, List previous)
      : routes_(*tables.routes),
        tunnels_(tables.tunnels.get()),
        previous_(previous ? std::move(previous) : std::make_shared<List::element_type>()) {}
  /// The index of the next hop to that address; UINT32_MAX where no route leads.
  uint32_t index_of(const IpAddress& destination);
  /// All of them; the very list of before where none came to it.
  List take() const;

 private:
  uint32_t add(const dataplane::NextHop& hop);
  uint32_t index_of_gateway(const dataplane::NextHop& hop);

  const dataplane::RouteTable& routes_;
  const dataplane::TunnelTables* const tunnels_;  ///< null: there are none
  const List previous_;
  std::vector<dataplane::NextHop> added_;
  std::map<std::tuple<uint16_t, IpAddress, uint16_t>, uint32_t> gateways_;
};

}  // namespace sluice::ctrl
