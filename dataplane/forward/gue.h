// Generic UDP encapsulation, variant 1 (draft-ietf-intarea-gue, section 4): the inner IP packet follows the
// UDP header directly; its version nibble is the variant. The inner packet is not touched.
#pragma once

#include "dataplane/forward/path_rewrite.h"

namespace sluice::dataplane {

/// Bytes in front of the inner packet.
constexpr size_t gue_bytes(bool outer_v4) {
  return ip_header_bytes(outer_v4) + sizeof(UdpHeader);
}

/// The outer source port of a flow: entropy for ECMP and RSS on the way, from the policy's hash of its
/// five-tuple, within the ephemeral half (the draft's section 5.6.1).
inline Be16 gue_source_port(uint64_t flow_hash) {
  return Be16::from_host(static_cast<uint16_t>(flow_hash | 0x8000));
}

inline PathRewrite gue(const PathEnds& ends) {
  OuterHeader outer = OuterHeader::ip(ends.encapsulation, ends.backend.address, IpProtocol::kUdp);
  outer.add_udp(Be16::from_host(ends.encapsulation.gue_port));
  return PathRewrite::behind(outer);
}

}  // namespace sluice::dataplane
