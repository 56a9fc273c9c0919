// The rewriting of single headers, each with what it changes in the checksums that cover them: what ICMP
// errors of translated flows are made of. Pure functions on bytes; any thread.
#pragma once

#include "common/address.h"
#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/base/drop_reason.h"

namespace sluice::dataplane {

/// Replaces the addresses and adds to `pseudo_header` what that changes in checksums that cover them.
inline void readdress_ipv4(Ipv4Header& header, const IpAddress& source, const IpAddress& destination,
                           ChecksumDelta& pseudo_header) {
  const Be32 new_source = source.as_v4();
  const Be32 new_destination = destination.as_v4();
  pseudo_header.replace(header.source, new_source);
  pseudo_header.replace(header.destination, new_destination);
  header.source = new_source;
  header.destination = new_destination;
}

inline void readdress_ipv6(Ipv6Header& header, const IpAddress& source, const IpAddress& destination,
                           ChecksumDelta& pseudo_header) {
  pseudo_header.replace_16_bytes(header.source.data(), source.bytes().data());
  pseudo_header.replace_16_bytes(header.destination.data(), destination.bytes().data());
  header.source = source.bytes();
  header.destination = destination.bytes();
}

/// The outer IP header of a packet that goes on.
inline DropReason forward_header(uint8_t* ip, const IpAddress& source, const IpAddress& destination,
                                 ChecksumDelta& pseudo_header) {
  if (destination.is_v4()) {
    auto& header = *reinterpret_cast<Ipv4Header*>(ip);
    if (header.ttl <= 1) return DropReason::kTtlExpired;
    readdress_ipv4(header, source, destination, pseudo_header);
    ChecksumDelta header_change = pseudo_header;
    // The TTL is the first byte of its word, so the low one as loaded. Storing the byte and loading the word
    // again would stall the load until the store has left the store buffer.
    const auto ttl_and_protocol = load<Be16>(&header.ttl);
    const auto counted_down = Be16::from_network(static_cast<uint16_t>(ttl_and_protocol.network() - 1));
    store(&header.ttl, counted_down);
    header_change.replace(ttl_and_protocol, counted_down);
    header.checksum = header_change.apply(header.checksum);
  } else {
    auto& header = *reinterpret_cast<Ipv6Header*>(ip);
    if (header.hop_limit <= 1) return DropReason::kTtlExpired;
    readdress_ipv6(header, source, destination, pseudo_header);
    --header.hop_limit;
  }
  return DropReason::kNone;
}

/// A changed UDP checksum as it is sent: 0 would say that there is none (RFC 768).
inline Be16 never_zero(Be16 checksum) {
  return checksum.network() == 0 ? Be16::from_network(0xffff) : checksum;
}

/// Replaces the ports, the first four bytes of TCP and of UDP, and notes that in `change`.
inline void rewrite_ports(uint8_t* l4, Be16 source, Be16 destination, ChecksumDelta& change) {
  change.replace(load<Be16>(l4), source);
  change.replace(load<Be16>(l4 + 2), destination);
  store(l4, source);
  store(l4 + 2, destination);
}

}  // namespace sluice::dataplane
