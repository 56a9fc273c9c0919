// A flow's key in sixteen bytes that are laid out as in a packet, so that one comparison tells whether a
// packet has it; and what translation writes into the packet, laid out in the same way. Plain values; any
// thread.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/flow_key.h"

namespace sluice::lb {

/// IPv4: the header from its TTL on, and the ports, which follow it where there are no options. TTL and
/// checksum are zero. IPv6: the ports, and a protocol number that no IPv4 flow has, so that keys of different
/// families differ; the addresses are zero here and lie in Addresses6.
struct alignas(16) PackedKey {
  static constexpr size_t kIpv4Offset = 8;  ///< where it begins in an IPv4 header
  static constexpr uint8_t kIpv6 = 0x80;    ///< added to the protocol

  uint8_t ttl = 0;
  uint8_t protocol_and_family = 0;
  uint16_t checksum = 0;
  Be32 source, destination;
  Be16 source_port, destination_port;

  /// Put together in a register, and stored at once: who reads it whole, or across its words, would wait for
  /// its pieces.
  static void put(PackedKey& packed, const FlowKey& key) {
    const auto word = [](auto value) { return static_cast<int>(value); };
    const auto protocol = static_cast<uint8_t>(key.protocol);
    const auto ports = load<uint32_t>(&key.source_port);
    if (key.source.is_v4()) [[likely]] {
      store(&packed, _mm_set_epi32(word(ports), word(key.destination.as_v4().network()),
                                   word(key.source.as_v4().network()), protocol << 8));
    } else {
      store(&packed, _mm_set_epi32(word(ports), 0, 0, (protocol | kIpv6) << 8));
    }
  }
  static PackedKey of(const FlowKey& key) {
    PackedKey packed;
    put(packed, key);
    return packed;
  }
  /// Whether the protocol is UDP, of a key that is known to be of that family.
  template <bool is_v4>
  bool is_udp() const {
    return protocol_and_family == (static_cast<uint8_t>(IpProtocol::kUdp) | (is_v4 ? 0 : kIpv6));
  }
  bool is_v4() const { return (protocol_and_family & kIpv6) == 0; }
  /// The key of the packets that flow the other way.
  PackedKey reversed() const {
    return {ttl, protocol_and_family, checksum, destination, source, destination_port, source_port};
  }
  IpProtocol protocol() const {
    return static_cast<IpProtocol>(protocol_and_family & static_cast<uint8_t>(~kIpv6));
  }
  bool operator==(const PackedKey& other) const {
    const __m128i differs = _mm_xor_si128(load<__m128i>(this), load<__m128i>(&other));
    return _mm_testz_si128(differs, differs) != 0;
  }
};
static_assert(sizeof(PackedKey) == 16);
static_assert(offsetof(PackedKey, source) + PackedKey::kIpv4Offset == offsetof(Ipv4Header, source));

/// What translation does to the packets of one direction of a flow: their new addresses and ports, laid out
/// as in a PackedKey, and what is to be added to both checksums for the change (checksum_changed()).
struct alignas(16) Rewrite {
  uint16_t to_l4_checksum = 0;      ///< of TCP and UDP
  uint16_t to_header_checksum = 0;  ///< of IPv4, for a TTL that is one less, too
  Be32 source, destination;         ///< IPv4's
  Be16 source_port, destination_port;

  /// Of packets with the key `from`, which become packets with the key `to`, of the same family and protocol.
  static Rewrite between(const FlowKey& from, const FlowKey& to);
  /// The same where the changes of addresses and ports are known already.
  static Rewrite by(const PackedKey& to, ChecksumDelta addresses, ChecksumDelta ports);
};
static_assert(sizeof(Rewrite) == sizeof(PackedKey));

/// The addresses in packets of a flow over IPv6, before and after translation.
struct alignas(64) Addresses6 {
  IpAddress source, destination;
  IpAddress new_source, new_destination;
};
static_assert(sizeof(Addresses6) == 64);

inline Rewrite Rewrite::by(const PackedKey& to, ChecksumDelta addresses, ChecksumDelta ports) {
  ports.add(addresses);
  addresses.replace(Be16::from_network(1), Be16());  // the TTL is the low byte of its word
  return {ports.summand(), addresses.summand(), to.source,
          to.destination,  to.source_port,      to.destination_port};
}

inline Rewrite Rewrite::between(const FlowKey& from, const FlowKey& to) {
  ChecksumDelta addresses, ports;
  addresses.replace_16_bytes(&from.source, &to.source);
  addresses.replace_16_bytes(&from.destination, &to.destination);
  ports.replace(from.source_port, to.source_port);
  ports.replace(from.destination_port, to.destination_port);
  return by(PackedKey::of(to), addresses, ports);
}

}  // namespace sluice::lb
