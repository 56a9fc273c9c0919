// IP in IP: 4-in-4 (RFC 2003), 6-in-4 (RFC 4213), 4-in-6 and 6-in-6 (RFC 2473). The inner packet is not
// touched.
#pragma once

#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

/// Bytes in front of the inner packet.
constexpr size_t ipip_bytes(bool outer_v4) {
  return ip_header_bytes(outer_v4);
}

inline PathRewrite ipip(const PathEnds& ends) {
  const IpProtocol inner = ends.is_v4 ? IpProtocol::kIpip : IpProtocol::kIpv6;
  return PathRewrite::behind(OuterHeader::ip(ends.encapsulation, ends.backend.address, inner));
}

}  // namespace sluice::dataplane
