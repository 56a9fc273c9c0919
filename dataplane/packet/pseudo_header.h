// The pseudo-header that TCP, UDP and ICMPv6 checksums cover (RFC 9293 3.1, RFC 768, RFC 8200 8.1).
// Any thread; pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/checksum.h"
#include "common/headers.h"

namespace sluice::dataplane {

/// The unfolded sum of what is in it besides the addresses.
inline uint64_t pseudo_header_rest(IpProtocol protocol, size_t upper_bytes) {
  // A big-endian 16-bit and a big-endian 32-bit word, as loaded.
  return (uint64_t{static_cast<uint8_t>(protocol)} << 8) + byte_swap(static_cast<uint32_t>(upper_bytes));
}

/// Its unfolded sum, to be continued with checksum_add() over the upper-layer bytes. `ip` is the IPv4 or
/// IPv6 header whose addresses are meant (for IPv6 with a routing header: only where it is exhausted).
inline uint64_t pseudo_header_sum(const void* ip, bool is_v4, IpProtocol protocol, size_t upper_bytes) {
  const auto* bytes = static_cast<const uint8_t*>(ip);
  const uint64_t rest = pseudo_header_rest(protocol, upper_bytes);
  return is_v4 ? checksum_add(bytes + offsetof(Ipv4Header, source), 8, rest)
               : checksum_add(bytes + offsetof(Ipv6Header, source), 32, rest);
}

}  // namespace sluice::dataplane
