// Generic UDP encapsulation, variant 1 (draft-ietf-intarea-gue, section 4): the inner IP packet follows the
// UDP header directly; its version nibble is the variant. The inner packet is not touched. Pure functions
// on bytes; any thread.
#pragma once

#include "common/checksum.h"
#include "dataplane/forward/outer_ip.h"
#include "dataplane/packet/pseudo_header.h"

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
inline void encapsulate_gue(uint8_t* outer, const Encapsulation& encapsulation, const IpAddress& backend,
                            bool inner_v4, size_t inner_bytes, Be16 source_port) {
  const bool outer_v4 = backend.is_v4();
  uint8_t* const udp_at = outer + ip_header_bytes(outer_v4);
  const size_t udp_bytes = sizeof(UdpHeader) + inner_bytes;
  write_outer_ip(outer, encapsulation, backend, IpProtocol::kUdp,
                 traffic_class_of(udp_at + sizeof(UdpHeader), inner_v4), udp_bytes);
  auto& udp = *reinterpret_cast<UdpHeader*>(udp_at);
  udp.source_port = source_port;
  udp.destination_port = Be16::from_host(encapsulation.gue_port);
  udp.length = Be16::from_host(static_cast<uint16_t>(udp_bytes));
  udp.checksum = {};
  if (outer_v4) return;
  udp.checksum = checksum_finish(
      checksum_add(udp_at, udp_bytes, pseudo_header_sum(outer, false, IpProtocol::kUdp, udp_bytes)));
  if (udp.checksum.network() == 0) udp.checksum = Be16::from_network(0xffff);
}

}  // namespace sluice::dataplane
