// Generic UDP encapsulation, variant 1 (draft-ietf-intarea-gue, section 4): the inner IP packet follows the
// UDP header directly; its version nibble is the variant. The inner packet is not touched. Pure functions
// on bytes; any thread.
#pragma once

#include "dataplane/forward/outer_ip.h"

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

/// Writes the outer headers to the gue_bytes() at `outer`, behind which the inner packet lies. The UDP
/// checksum is 0 over IPv4 (RFC 768 allows it) and made over IPv6, where RFC 8200 8.1 demands it.
void encapsulate_gue(uint8_t* outer, const Encapsulation& encapsulation, const IpAddress& backend,
                     bool inner_v4, size_t inner_bytes, Be16 source_port);

}  // namespace sluice::dataplane
