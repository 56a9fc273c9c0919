#include "dataplane/worker/steering.h"

#include <algorithm>

namespace sluice::dataplane {
namespace {

/// Spreads clients over balancers. Not secret: who owns a flow is no one's advantage.
unsigned balancer_of_client(const IpAddress& client, Be16 port, IpProtocol protocol, unsigned balancers) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  uint64_t hash = load<uint64_t>(client.bytes().data()) * kGolden;
  hash = (hash ^ load<uint64_t>(client.bytes().data() + 8)) * kGolden;
  hash = (hash ^ hash >> 32 ^ port.network() ^ uint64_t{static_cast<uint8_t>(protocol)} << 16) * kGolden;
  return static_cast<unsigned>((hash >> 32) * balancers >> 32);
}

bool is_snat(const Tables& tables, const IpAddress& address) {
  return std::find(tables.snat.begin(), tables.snat.end(), address) != tables.snat.end();
}

}  // namespace

unsigned owner_of_flow(const Tables& tables, const WorkerPlace& place, const FlowKey& key) {
  if (place.balancers == 1) return 0;
  if (is_snat(tables, key.destination)) {
    return lb::port_owner(key.destination_port.host(), place.balancers);
  }
  const auto owner_by = [&](const IpAddress& client, Be16 port) {
    return balancer_of_client(client, port, key.protocol, place.balancers);
  };
  if (tables.dnat_backends == nullptr) {
    return place.owns_by_client ? owner_by(key.source, key.source_port) : kWhoeverReceived;
  }
  const lb::ServiceId service =
      tables.service_table->find(key.destination, key.destination_port, key.protocol);
  // A backend may be a client of another service, so what goes to a service is no reply.
  if (service == lb::kNoService && tables.dnat_backends->contains(key.source)) {
    return owner_by(key.destination, key.destination_port);
  }
  const bool is_dnat =
      service != lb::kNoService && (*tables.services)[service].forward == lb::ForwardMode::kDnat;
  return place.owns_by_client || is_dnat ? owner_by(key.source, key.source_port) : kWhoeverReceived;
}

unsigned ingress_of(std::span<const Ingress> ingress, const FlowKey& key) {
  if (key.protocol != IpProtocol::kUdp) return kNoIngress;
  for (unsigned i = 0; i < ingress.size(); ++i) {
    if (ingress[i].port == key.destination_port && ingress[i].address == key.destination) return i;
  }
  return kNoIngress;
}

unsigned hash_worker_of(const IpAddress& source, unsigned hash_workers) {
  return balancer_of_client(source, {}, IpProtocol::kUdp, hash_workers);
}

unsigned worker_for(const Tables& tables, const WorkerPlace& place, const PacketMeta& meta) {
  unsigned owner = kWhoeverReceived;
  if (meta.kind == PacketKind::kFlow) owner = owner_of_flow(tables, place, meta.key);
  if (meta.kind == PacketKind::kIcmpError) owner = owner_of_flow(tables, place, meta.key.reversed());
  return owner == kWhoeverReceived ? place.index : worker_of_balancer(place, owner);
}

}  // namespace sluice::dataplane
