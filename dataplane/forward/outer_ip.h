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
#include "dataplane/tables/tables.h"

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
  // The sum is made of the values: loading back what has just been stored by the field would wait for the
  // store buffer. By two bytes, as the fields lie that are no address.
  const auto version_and_tos = Be16::from_host(static_cast<uint16_t>(0x4500 | tos));
  const auto total_length = Be16::from_host(static_cast<uint16_t>(sizeof(Ipv4Header) + payload_bytes));
  const auto fragment = Be16::from_host(Ipv4Header::kDontFragment);
  const auto ttl_and_protocol =
      Be16::from_host(static_cast<uint16_t>(kOuterTtl << 8 | static_cast<uint8_t>(protocol)));
  const Be16 checksum =
      checksum_finish(uint64_t{version_and_tos.network()} + total_length.network() + fragment.network() +
                      ttl_and_protocol.network() + source.network() + destination.network());
  store(at, version_and_tos);
  store(at + offsetof(Ipv4Header, total_length), total_length);
  store(at + offsetof(Ipv4Header, id), Be16());
  store(at + offsetof(Ipv4Header, fragment), fragment);
  store(at + offsetof(Ipv4Header, ttl), ttl_and_protocol);
  store(at + offsetof(Ipv4Header, checksum), checksum);
  store(at + offsetof(Ipv4Header, source), source);
  store(at + offsetof(Ipv4Header, destination), destination);
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
  auto& header = *reinterpret_cast<Ipv6Header*>(at);
  header.version_class_flow = Be32::from_host(6u << 28 | uint32_t{traffic_class} << 20);
  header.payload_length = Be16::from_host(static_cast<uint16_t>(payload_bytes));
  header.next_header = protocol;
  header.hop_limit = kOuterTtl;
  header.source = encapsulation.source6.bytes();
  header.destination = destination.bytes();
}

}  // namespace sluice::dataplane
