// ICMP (RFC 792) and ICMPv6 (RFC 4443): what a message is, and the two that Sluice writes itself: echo
// replies and "too big" errors. Pure functions on bytes; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/address.h"
#include "common/headers.h"

namespace sluice::dataplane {

namespace icmp_type {
inline constexpr uint8_t kEchoReply = 0;
inline constexpr uint8_t kUnreachable = 3;
inline constexpr uint8_t kEchoRequest = 8;
inline constexpr uint8_t kTimeExceeded = 11;
inline constexpr uint8_t kParameterProblem = 12;
}  // namespace icmp_type

namespace icmpv6_type {
inline constexpr uint8_t kUnreachable = 1;
inline constexpr uint8_t kPacketTooBig = 2;
inline constexpr uint8_t kParameterProblem = 4;
inline constexpr uint8_t kEchoRequest = 128;
inline constexpr uint8_t kEchoReply = 129;
inline constexpr uint8_t kListenerQuery = 130;
inline constexpr uint8_t kNeighborSolicitation = 135;
inline constexpr uint8_t kNeighborAdvertisement = 136;
}  // namespace icmpv6_type

enum class IcmpClass : uint8_t { kError, kEchoRequest, kNeighbor, kOther };

/// Errors are those about a packet that was sent: redirects and source quench (deprecated by RFC 6633) are
/// not for a balanced flow to obey, so they count as other.
inline IcmpClass icmp_class(const IcmpHeader& header, bool is_v4) {
  const uint8_t type = header.type;
  if (is_v4) {
    if (type == icmp_type::kUnreachable || type == icmp_type::kTimeExceeded ||
        type == icmp_type::kParameterProblem) {
      return IcmpClass::kError;
    }
    return type == icmp_type::kEchoRequest ? IcmpClass::kEchoRequest : IcmpClass::kOther;
  }
  if (type >= icmpv6_type::kUnreachable && type <= icmpv6_type::kParameterProblem) return IcmpClass::kError;
  if (type == icmpv6_type::kNeighborSolicitation || type == icmpv6_type::kNeighborAdvertisement ||
      type == icmpv6_type::kListenerQuery) {
    return IcmpClass::kNeighbor;
  }
  return type == icmpv6_type::kEchoRequest ? IcmpClass::kEchoRequest : IcmpClass::kOther;
}

/// TTL and hop limit of packets that the gateway makes.
inline constexpr uint8_t kOwnHopLimit = 64;

/// IP and ICMP header of an error, in front of what it quotes.
constexpr size_t icmp_error_header_bytes(bool is_v4) {
  return (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header)) + sizeof(IcmpHeader);
}

/// How many bytes of the packet at fault an error quotes at most: the whole error is not to exceed 576
/// bytes (RFC 1812, 4.3.2.3), or IPv6's minimum MTU of 1280 (RFC 4443, 2.4).
constexpr size_t max_quoted_bytes(bool is_v4) {
  return (is_v4 ? 576u : 1280u) - icmp_error_header_bytes(is_v4);
}

/// Writes the headers of "fragmentation needed" (RFC 1191) or "packet too big" to the
/// icmp_error_header_bytes() at `at`, in front of the `quoted_bytes` of the packet that is too big.
/// `mtu`: the greatest size of such a packet that would have gone through.
void write_too_big(uint8_t* at, const IpAddress& source, const IpAddress& destination, size_t mtu,
                   size_t quoted_bytes);

/// Makes the echo request at `ip` its reply: addresses swapped, type changed, TTL fresh, checksums right.
/// The ICMP header lies at `l4_offset` behind `ip`. IPv6 extension headers stay as they are.
void turn_into_echo_reply(uint8_t* ip, bool is_v4, size_t l4_offset);

}  // namespace sluice::dataplane
