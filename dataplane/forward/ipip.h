// IP in IP: 4-in-4 (RFC 2003), 6-in-4 (RFC 4213), 4-in-6 and 6-in-6 (RFC 2473). The inner packet is not
// touched. Pure functions on bytes; any thread.
#pragma once

#include "dataplane/forward/outer_ip.h"

namespace sluice::dataplane {

/// Bytes in front of the inner packet.
constexpr size_t ipip_bytes(bool outer_v4) {
  return ip_header_bytes(outer_v4);
}

/// Writes the outer header to the ipip_bytes() at `outer`, behind which the inner packet lies.
inline void encapsulate_ipip(uint8_t* outer, const Encapsulation& encapsulation, const IpAddress& backend,
                             bool inner_v4, size_t inner_bytes) {
  const uint8_t* const inner = outer + ipip_bytes(backend.is_v4());
  write_outer_ip(outer, encapsulation, backend, inner_v4 ? IpProtocol::kIpip : IpProtocol::kIpv6,
                 traffic_class_of(inner, inner_v4), inner_bytes);
}

}  // namespace sluice::dataplane
