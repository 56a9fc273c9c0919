// Network address translation: the header rewriting of full-nat and dnat, in both directions, and of the
// ICMP errors that belong to their flows. Pure functions on bytes; any thread.
//
// Checksums are updated, not made anew (RFC 1624): a packet damaged inside the gateway stays damaged.
#pragma once

#include <cstdint>
#include <span>

#include "common/flow_key.h"
#include "dataplane/base/drop_reason.h"
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

/// translate() for IPv4, whose header has no options, and a TTL above 1. Fields that lie side by side are
/// read and written together.
inline void translate_ipv4(uint8_t* ip, const NatTarget& to) {
  uint8_t* const ttl_at = ip + offsetof(Ipv4Header, ttl);
  uint8_t* const addresses_at = ip + offsetof(Ipv4Header, source);
  uint8_t* const ports_at = ip + sizeof(Ipv4Header);
  const auto source = to.source->as_v4().network(), destination = to.destination->as_v4().network();
  const uint32_t ports = to.source_port.network() | uint32_t{to.destination_port.network()} << 16;

  const auto old_addresses = load<uint64_t>(addresses_at);
  ChecksumDelta change;
  change.replace(Be32::from_network(static_cast<uint32_t>(old_addresses)), Be32::from_network(source));
  change.replace(Be32::from_network(static_cast<uint32_t>(old_addresses >> 32)),
                 Be32::from_network(destination));
  store(addresses_at, uint64_t{destination} << 32 | source);

  // TTL, protocol and checksum: the TTL is the lowest byte.
  const auto old_word = load<uint32_t>(ttl_at);
  ChecksumDelta header_change = change;
  header_change.replace(Be16::from_network(1), Be16());
  const Be16 checksum = header_change.apply(Be16::from_network(static_cast<uint16_t>(old_word >> 16)));
  store(ttl_at, ((old_word - 1) & 0xffff) | uint32_t{checksum.network()} << 16);

  change.replace(Be32::from_network(load<uint32_t>(ports_at)), Be32::from_network(ports));
  store(ports_at, ports);
  if (to.protocol == IpProtocol::kTcp) {
    uint8_t* const at = ports_at + offsetof(TcpHeader, checksum);
    store(at, change.apply(load<Be16>(at)));
  } else {
    uint8_t* const at = ports_at + offsetof(UdpHeader, checksum);
    const auto before = load<Be16>(at);
    if (before.network() != 0) store(at, never_zero(change.apply(before)));
  }
}

/// Gives the TCP or UDP packet at `ip` the addresses and ports of `to`, which is of its own family and
/// protocol, and decrements its TTL. The layer-4 header lies at `l4_offset` behind `ip`, behind an IPv4
/// header without options. A UDP checksum of 0 over IPv4 stays 0. A packet whose TTL ends here is left alone:
/// kTtlExpired.
inline DropReason translate(uint8_t* ip, size_t l4_offset, const NatTarget& to) {
  if (to.destination->is_v4()) {
    if (ip[offsetof(Ipv4Header, ttl)] <= 1) return DropReason::kTtlExpired;
    translate_ipv4(ip, to);
    return DropReason::kNone;
  }
  ChecksumDelta change;
  const DropReason reason = forward_header(ip, *to.source, *to.destination, change);
  if (reason != DropReason::kNone) return reason;
  uint8_t* const l4 = ip + l4_offset;
  rewrite_ports(l4, to.source_port, to.destination_port, change);
  const bool is_udp = to.protocol == IpProtocol::kUdp;
  uint8_t* const at = l4 + (is_udp ? offsetof(UdpHeader, checksum) : offsetof(TcpHeader, checksum));
  const Be16 checksum = change.apply(load<Be16>(at));
  store(at, is_udp ? never_zero(checksum) : checksum);  // RFC 8200, 8.1: there always is one
  return DropReason::kNone;
}

/// What translate() is, for an ICMP error about a packet of a flow, travelling to `to.destination`. `to` is
/// what a packet of that flow would be translated to that goes the same way as the error; what the error
/// quotes went the other way, and gets to.reversed(). `source` becomes the error's own source. `ip` ends with
/// the packet; the quote, which may be cut, is of the kind that parse_quote() calls kFlow.
DropReason translate_icmp_error(std::span<uint8_t> ip, size_t l4_offset, const IpAddress& source,
                                const FlowKey& to);

}  // namespace sluice::dataplane
