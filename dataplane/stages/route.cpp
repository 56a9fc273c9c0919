#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

bool is_link_local(const IpAddress& address) {
  return address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

}  // namespace

Egress route_to(const Tables& tables, const IpAddress& destination, uint16_t in_port) {
  if (is_link_local(destination)) return {true, in_port, destination};
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
