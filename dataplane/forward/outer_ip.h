// The outer IP header of the encapsulating modes. Pure functions on bytes; any thread.
//
// Outer IPv4 always has DF set and id 0 (atomic datagrams, RFC 6864): what does not fit was refused with
// "too big" before, and routers on the way shall not fragment what backends would have to reassemble.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/address.h"
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

/// Writes a header from the configured outer source of `destination`'s family, with TTL 64, in front of
/// `payload_bytes` bytes.
void write_outer_ip(uint8_t* at, const Encapsulation& encapsulation, const IpAddress& destination,
                    IpProtocol protocol, uint8_t traffic_class, size_t payload_bytes);

}  // namespace sluice::dataplane
