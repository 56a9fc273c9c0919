// Everything that workers read and the control thread decides: one immutable object, one pointer, one
// generation number. ctrl/resolve/compile.h builds it, Published hands it to the workers and frees it (QSBR).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/address.h"
#include "common/siphash.h"
#include "dataplane/tables/address_set.h"
#include "dataplane/tables/encapsulation.h"
#include "dataplane/tables/flow_lanes.h"
#include "dataplane/tables/ledger_config.h"
#include "dataplane/tables/port_view.h"
#include "dataplane/tables/route_table.h"
#include "lb/pool_members.h"
#include "lb/pool_table.h"
#include "lb/service.h"
#include "lb/service_table.h"
#include "lb/shared_list.h"
#include "lb/view.h"

namespace sluice::dataplane {

struct TunnelTables;  // dataplane/esp/tunnel_tables.h
class Inspection;     // dataplane/inspect/inspection.h

/// A neighbor to resolve: a gateway or an on-link backend. Backends refer to it by index.
struct NextHop {
  uint16_t port = 0;
  IpAddress address;
  /// 1 + the place in TunnelTables of the ESP tunnel that packets enter before they go there; 0: none. The
  /// port and the address are then those of the tunnel's own packets.
  uint16_t tunnel = 0;
};

struct StaticNeighbor {
  uint16_t port = 0;
  IpAddress address;
  MacAddress mac;
};

using SteeringList = std::vector<std::shared_ptr<const lb::PoolSteering>>;

/// An address of ours, and the links that are told of it: those that it belongs to; all, where it is on none.
struct Announcement {
  uint64_t since = 0;  ///< Tables::generation that brought it
  IpAddress address;
  uint32_t ports = 0;  ///< a bit for each
  bool operator==(const Announcement&) const = default;
};
static_assert(kMaxPorts <= 32);

/// A multicast group that we listen to, or have ceased to: the solicited-node group (RFC 4291, 2.7.1) of IPv6
/// addresses of ours.
struct Membership {
  IpAddress group;
  uint64_t since = 0;  ///< Tables::generation that changed it
  uint32_t ports = 0;  ///< a bit for each
  bool has_left = false;
  bool operator==(const Membership&) const = default;
};

using RuleList = std::vector<std::shared_ptr<const lb::ServiceRules>>;

using InspectionList = std::vector<std::shared_ptr<Inspection>>;

/// Parts that did not change are shared with the generation before.
struct Tables {
  uint64_t generation = 0;
  uint64_t configuration = 0;  ///< the generation of the configuration that it was compiled from
  SipKey hash_key;
  std::shared_ptr<const lb::ServiceTable> service_table;
  std::shared_ptr<const std::vector<lb::Service>> services;  ///< by ServiceId
  std::shared_ptr<const std::vector<lb::Backend>> backends;  ///< by BackendId
  lb::SharedList<lb::PoolTable> pools;                       ///< keeps alive what Service::pool points at
  lb::SharedList<lb::PoolMembers> members;                   ///< by the same index
  /// By ServiceId, keeps alive what Service::rules points at. Null: no service has any.
  std::shared_ptr<const RuleList> rules;
  /// The `generation` that last changed who may send to a service; 0: none has an access list, or had.
  uint64_t access_generation = 0;
  /// Those whose flows are counted on all workers together, in order; null: none.
  std::shared_ptr<const std::vector<lb::ServiceId>> counted_services;
  std::shared_ptr<const std::vector<lb::BackendId>> counted_backends;
  std::shared_ptr<const RouteTable> routes;
  std::shared_ptr<const std::vector<NextHop>> next_hops;  ///< by Backend::next_hop
  std::vector<PortView> ports;
  std::vector<IpAddress> snat;
  /// Keeps alive what Service::steering points at. Null: no service has routes or a split.
  std::shared_ptr<const SteeringList> steerings;
  /// Addresses of ports, SNAT and ledger ingress; null: none. VIPs are the service table's.
  std::shared_ptr<const AddressSet> own_addresses;
  std::vector<StaticNeighbor> neighbors;
  /// Of next hops: gateways and on-link backends, on whatever port. Null: there are none.
  std::shared_ptr<const AddressSet> next_hop_addresses;
  /// Ports', SNAT and services' addresses, by `since`, then by address. Of a prefix, the first few that are
  /// on a port's network. Null: none.
  std::shared_ptr<const std::vector<Announcement>> announcements;
  /// Of what is announced, and of ports' link-local addresses, by group; with those that were left lately.
  /// Null: none.
  std::shared_ptr<const std::vector<Membership>> memberships;
  Encapsulation encapsulation;
  /// The address of every backend, whatever its state, of a pool that a dnat service uses: what comes from
  /// there may be a reply, and is steered by its client. Null: no service forwards by dnat.
  std::shared_ptr<const AddressSet> dnat_backends;
  /// The address of every backend of a pool that a service is mirrored to: what comes from there, and belongs
  /// to no flow, is an answer to a copy. Null: no service is mirrored.
  std::shared_ptr<const AddressSet> mirror_backends;
  /// Where ledger transactions arrive, in the configuration's order, the same in all Tables of a process;
  /// their addresses are among `announcements`. Null: there is no ledger ingress.
  std::shared_ptr<const std::vector<Ingress>> ingress;
  /// ESP tunnels and their security associations. Null: there are none.
  std::shared_ptr<const TunnelTables> tunnels;
  /// By ServiceId: what its packets' payloads are scanned by; null where by nothing. Null: no service has
  /// one.
  std::shared_ptr<const InspectionList> inspections;
  /// The `generation` that last gave a service an inspection which had none; 0: none has, or had.
  uint64_t inspection_generation = 0;
  /// Who reads of which flows; null: nobody.
  std::shared_ptr<const FlowReading> flow_reading;

  /// Whether an address is this gateway's own. Nothing that comes in from a wire may have it as source: the
  /// answer would go round.
  bool is_own(const IpAddress& address) const {
    return (own_addresses != nullptr && own_addresses->contains(address)) ||
           service_table->has_address(address);
  }
  lb::View view() const {
    return {service_table.get(), *services, *backends, hash_key, snat, &members, &pools};
  }
};

}  // namespace sluice::dataplane
