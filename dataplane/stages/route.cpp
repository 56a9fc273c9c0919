#include "dataplane/stages/route.h"

#include "dataplane/esp/tunnel_tables.h"

namespace sluice::dataplane {
namespace {

bool is_link_local(const IpAddress& address) {
  return address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

}  // namespace

Egress route_to(const Tables& tables, const IpAddress& destination, uint16_t in_port) {
  if (is_link_local(destination)) return {true, in_port, destination};
  if (tables.tunnels != nullptr) [[unlikely]] {
    // Before every other route, neighbor and network of a port: what is meant for a tunnel goes no other way.
    if (const uint16_t number = tables.tunnels->leading_to(destination); number != 0) {
      const Tunnel& tunnel = tables.tunnels->tunnels()[number - 1u];
      return {tunnel.has_way, tunnel.port, tunnel.next_hop, number};
    }
  }
  const Route* route = tables.routes->find(destination);
  if (route == nullptr) return {};
  return {true, route->port, route->on_link ? destination : route->gateway};
}

IpAddress source_of(const uint8_t* ip, bool is_v4) {
  return is_v4 ? IpAddress::v4(reinterpret_cast<const Ipv4Header*>(ip)->source)
               : IpAddress::v6(reinterpret_cast<const Ipv6Header*>(ip)->source.data());
}

IpAddress destination_of(const uint8_t* ip, bool is_v4) {
  return is_v4 ? IpAddress::v4(reinterpret_cast<const Ipv4Header*>(ip)->destination)
               : IpAddress::v6(reinterpret_cast<const Ipv6Header*>(ip)->destination.data());
}

}  // namespace sluice::dataplane
