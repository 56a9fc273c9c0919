// The headers that a tunnel's mode puts in front of a packet. Pure functions on bytes; any thread.
//
// Outer IPv4 always has DF set and id 0 (atomic datagrams, RFC 6864): what does not fit was refused with
// "too big" before, and routers on the way shall not fragment what backends would have to reassemble.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/address.h"
#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/packet/pseudo_header.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

constexpr size_t ip_header_bytes(bool is_v4) {
  return is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

inline constexpr uint8_t kOuterTtl = 64;

/// DSCP and ECN of an inner packet, which the outer header repeats (RFC 2003 3.1, RFC 6040 normal mode).
inline uint8_t traffic_class_of(const uint8_t* ip, bool is_v4) {
  return is_v4 ? reinterpret_cast<const Ipv4Header*>(ip)->tos
               : reinterpret_cast<const Ipv6Header*>(ip)->traffic_class();
}

/// IP, or IP and UDP, from the configured outer source to a backend: whole but for what each packet decides,
/// which is lengths, traffic class, the UDP source port and checksums.
struct OuterHeader {
  static constexpr size_t kMostBytes = sizeof(Ipv6Header) + sizeof(UdpHeader);

  /// In the place of IPv4's checksum is the sum of that header as it stands here otherwise; in that of IPv6's
  /// payload length that of what a UDP checksum covers of its header.
  std::array<uint8_t, kMostBytes> header{};
  uint8_t bytes = 0;  ///< 0: there is no outer header
  bool is_v4 = false;
  bool has_udp = false;

  /// A header with `protocol` in it, of the family of `destination`.
  static OuterHeader ip(const Encapsulation& encapsulation, const IpAddress& destination,
                        IpProtocol protocol);
  /// Adds a UDP header to that port.
  void add_udp(Be16 destination_port);

  /// Writes it in front of the packet of `ip_bytes` bytes at `ip`. Returns where it begins. The UDP checksum
  /// is 0 over IPv4 (RFC 768 allows it) and made over IPv6, where RFC 8200 8.1 demands it.
  uint8_t* write(uint8_t* ip, bool inner_v4, size_t ip_bytes, Be16 source_port) const {
    const uint8_t traffic_class = traffic_class_of(ip, inner_v4);
    uint8_t* const front = ip - bytes;
    is_v4 ? write_ipv4(front, traffic_class, ip_bytes) : write_ipv6(front, traffic_class, ip_bytes);
    if (has_udp) write_udp(ip, ip_bytes, source_port);
    return front;
  }

 private:
  void write_ipv4(uint8_t* at, uint8_t traffic_class, size_t ip_bytes) const {
    const auto total = Be16::from_host(static_cast<uint16_t>(bytes + ip_bytes));
    const uint32_t first_word =
        load<uint8_t>(header.data()) | uint32_t{traffic_class} << 8 | uint32_t{total.network()} << 16;
    store(at, load<__m128i>(header.data()));
    store(at + 16, load<uint32_t>(header.data() + 16));
    store(at, first_word);
    // The sum is made of the values: loading back what has just been stored by the field would wait for the
    // store buffer.
    const auto sum_here = load<uint16_t>(header.data() + offsetof(Ipv4Header, checksum));
    store(at + offsetof(Ipv4Header, checksum),
          checksum_finish(uint64_t{sum_here} + (uint32_t{traffic_class} << 8) + total.network()));
  }
  void write_ipv6(uint8_t* at, uint8_t traffic_class, size_t ip_bytes) const {
    const auto payload = Be16::from_host(static_cast<uint16_t>(bytes - sizeof(Ipv6Header) + ip_bytes));
    store(at, load<__m256i>(header.data()));
    store(at + 32, load<uint64_t>(header.data() + 32));
    store(at, Be32::from_host(6u << 28 | uint32_t{traffic_class} << 20));
    store(at + offsetof(Ipv6Header, payload_length), payload);
  }
  void write_udp(uint8_t* inner, size_t ip_bytes, Be16 source_port) const {
    const auto destination_port = load<Be16>(header.data() + bytes - sizeof(UdpHeader) + sizeof(Be16));
    const size_t udp_bytes = sizeof(UdpHeader) + ip_bytes;
    const auto length = Be16::from_host(static_cast<uint16_t>(udp_bytes));
    Be16 checksum{};
    if (!is_v4) {
      const auto sum_here = load<uint16_t>(header.data() + offsetof(Ipv6Header, payload_length));
      const uint64_t ahead = uint64_t{sum_here} + byte_swap(static_cast<uint32_t>(udp_bytes)) +
                             source_port.network() + destination_port.network() + length.network();
      checksum = checksum_finish(checksum_add(inner, ip_bytes, ahead));
      if (checksum.network() == 0) checksum = Be16::from_network(0xffff);
    }
    store(inner - sizeof(UdpHeader), UdpHeader{source_port, destination_port, length, checksum});
  }
};
static_assert(sizeof(OuterHeader) == 51);

inline OuterHeader OuterHeader::ip(const Encapsulation& encapsulation, const IpAddress& destination,
                                   IpProtocol protocol) {
  OuterHeader outer;
  outer.is_v4 = destination.is_v4();
  outer.bytes = static_cast<uint8_t>(ip_header_bytes(outer.is_v4));
  if (outer.is_v4) {
    auto& header = *reinterpret_cast<Ipv4Header*>(outer.header.data());
    header.version_ihl = 0x45;
    header.fragment = Be16::from_host(Ipv4Header::kDontFragment);
    header.ttl = kOuterTtl;
    header.protocol = protocol;
    header.source = encapsulation.source.as_v4();
    header.destination = destination.as_v4();
    header.checksum = Be16::from_network(
        static_cast<uint16_t>(checksum_fold(checksum_add(outer.header.data(), sizeof header))));
  } else {
    auto& header = *reinterpret_cast<Ipv6Header*>(outer.header.data());
    header.next_header = protocol;
    header.hop_limit = kOuterTtl;
    header.source = encapsulation.source6.bytes();
    header.destination = destination.bytes();
    header.payload_length = Be16::from_network(
        static_cast<uint16_t>(checksum_fold(pseudo_header_sum(outer.header.data(), false, protocol, 0))));
  }
  return outer;
}

inline void OuterHeader::add_udp(Be16 destination_port) {
  auto& udp = *reinterpret_cast<UdpHeader*>(header.data() + bytes);
  udp.destination_port = destination_port;
  bytes = static_cast<uint8_t>(bytes + sizeof udp);
  has_udp = true;
}

}  // namespace sluice::dataplane
