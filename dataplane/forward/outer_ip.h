// The outer IP header of the encapsulating modes. Pure functions on bytes; any thread.
//
// Outer IPv4 always has DF set and id 0 (atomic datagrams, RFC 6864): what does not fit was refused with
// "too big" before, and routers on the way shall not fragment what backends would have to reassemble.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/address.h"
#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/tables.h"

namespace sluice::dataplane {

constexpr size_t ip_header_bytes(bool is_v4) {
  return is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

/// DSCP and ECN of an inner packet, which the outer header repeats (RFC 2003 3.1, RFC 6040 normal mode).
inline uint8_t traffic_class_of(const uint8_t* ip, bool is_v4) {
  return is_v4 ? reinterpret_cast<const Ipv4Header*>(ip)->tos
               : reinterpret_cast<const Ipv6Header*>(ip)->traffic_class();
}

inline constexpr uint8_t kOuterTtl = 64;

inline void write_outer_ipv4(uint8_t* at, Be32 source, Be32 destination, IpProtocol protocol, uint8_t tos,
                             size_t payload_bytes) {
  Ipv4Header header{};
  header.version_ihl = 0x45;
  header.tos = tos;
  header.total_length = Be16::from_host(static_cast<uint16_t>(sizeof header + payload_bytes));
  header.fragment = Be16::from_host(Ipv4Header::kDontFragment);
  header.ttl = kOuterTtl;
  header.protocol = protocol;
  header.source = source;
  header.destination = destination;
  header.checksum = checksum_finish(checksum_add(&header, sizeof header));
  store(at, header);
}

/// Writes a header from the configured outer source of `destination`'s family, with TTL 64, in front of
/// `payload_bytes` bytes.
inline void write_outer_ip(uint8_t* at, const Encapsulation& encapsulation, const IpAddress& destination,
                           IpProtocol protocol, uint8_t traffic_class, size_t payload_bytes) {
  if (destination.is_v4()) {
    write_outer_ipv4(at, encapsulation.source.as_v4(), destination.as_v4(), protocol, traffic_class,
                     payload_bytes);
    return;
  }
  Ipv6Header header{};
  header.version_class_flow = Be32::from_host(6u << 28 | uint32_t{traffic_class} << 20);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(payload_bytes));
  header.next_header = protocol;
  header.hop_limit = kOuterTtl;
  header.source = encapsulation.source6.bytes();
  header.destination = destination.bytes();
  store(at, header);
}

}  // namespace sluice::dataplane
