// The pseudo-header that TCP, UDP and ICMPv6 checksums cover (RFC 9293 3.1, RFC 768, RFC 8200 8.1).
// Any thread; pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/checksum.h"
#include "common/headers.h"

namespace sluice::dataplane {

/// Its unfolded sum, to be continued with checksum_add() over the upper-layer bytes. `ip` is the IPv4 or
/// IPv6 header whose addresses are meant (for IPv6 with a routing header: only where it is exhausted).
inline uint64_t pseudo_header_sum(const void* ip, bool is_v4, IpProtocol protocol, size_t upper_bytes) {
  const auto* bytes = static_cast<const uint8_t*>(ip);
  const uint64_t rest = uint64_t{static_cast<uint8_t>(protocol)} << 8;  // a big-endian 16-bit word, as loaded
  const uint64_t length = byte_swap(static_cast<uint32_t>(upper_bytes));
  return is_v4 ? checksum_add(bytes + offsetof(Ipv4Header, source), 8, rest + length)
               : checksum_add(bytes + offsetof(Ipv6Header, source), 32, rest + length);
}

}  // namespace sluice::dataplane
