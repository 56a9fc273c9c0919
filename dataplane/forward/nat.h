// Network address translation: the header rewriting of full-nat and dnat, in both directions, and of the
// ICMP errors that belong to their flows. Pure functions on bytes; any thread.
//
// Checksums are updated, not made anew (RFC 1624): a packet damaged inside the gateway stays damaged.
#pragma once

#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "dataplane/drop_reason.h"
#include "dataplane/forward/rewrite.h"

namespace sluice::dataplane {

/// The addresses and ports that a packet shall have. The addresses are somebody else's, so that nothing is
/// copied for a packet.
struct NatTarget {
  const IpAddress* source;
  const IpAddress* destination;
  Be16 source_port;
  Be16 destination_port;
  IpProtocol protocol;

  static NatTarget of(const FlowKey& key) {
    return {&key.source, &key.destination, key.source_port, key.destination_port, key.protocol};
  }
  FlowKey key() const { return {*source, *destination, source_port, destination_port, protocol, {}}; }
};

/// Gives the TCP or UDP packet at `ip` the addresses and ports of `to`, which is of its own family and
/// protocol, and decrements its TTL. The layer-4 header lies at `l4_offset` behind `ip`. A UDP checksum of
/// 0 over IPv4 stays 0. A packet whose TTL ends here is left alone: kTtlExpired.
inline DropReason translate(uint8_t* ip, size_t l4_offset, const NatTarget& to) {
  ChecksumDelta change;
  const DropReason reason = forward_header(ip, *to.source, *to.destination, change);
  if (reason != DropReason::kNone) return reason;
  uint8_t* const l4 = ip + l4_offset;
  rewrite_ports(l4, to.source_port, to.destination_port, change);
  if (to.protocol == IpProtocol::kTcp) {
    auto& tcp = *reinterpret_cast<TcpHeader*>(l4);
    tcp.checksum = change.apply(tcp.checksum);
  } else {
    auto& udp = *reinterpret_cast<UdpHeader*>(l4);
    if (udp.checksum.network() != 0) udp.checksum = never_zero(change.apply(udp.checksum));
  }
  return DropReason::kNone;
}

/// The same for an ICMP error about a packet of a flow, travelling to `to.destination`. `to` is what a
/// packet of that flow would be translated to that goes the same way as the error; what the error quotes
/// went the other way, and gets to.reversed(). `source` becomes the error's own source. `ip` ends with the
/// packet; the quote, which may be cut, is of the kind that parse_quote() calls kFlow.
DropReason translate_icmp_error(std::span<uint8_t> ip, size_t l4_offset, const IpAddress& source,
                                const FlowKey& to);

}  // namespace sluice::dataplane
