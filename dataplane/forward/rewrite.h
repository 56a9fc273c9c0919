// What forwarding does to a packet. A PathRewrite says what is the same for all flows of a service to a
// backend; it is made by the only switch over ForwardMode. An lb::Rewrite, which the flow's entry holds, says
// what differs from flow to flow. Both are applied by the long way, by the short way of parsed packets and by
// that of plain ones alike, in stages/treat.h. Pure functions on bytes; any thread.
//
// A mode is one file of this folder and one case of the switch. Checksums are updated, not made anew
// (RFC 1624): a packet damaged inside the gateway stays damaged.
#pragma once

#include "common/checksum.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/forward/direct.h"
#include "dataplane/forward/dnat.h"
#include "dataplane/forward/full_nat.h"
#include "dataplane/forward/gue.h"
#include "dataplane/forward/ipip.h"
#include "dataplane/forward/readdress.h"
#include "lb/packed_key.h"
#include "lb/service.h"

namespace sluice::dataplane {

inline PathRewrite path_rewrite(lb::ForwardMode mode, const PathEnds& ends) {
  switch (mode) {
    case lb::ForwardMode::kFullNat:
      return full_nat(ends);
    case lb::ForwardMode::kDnat:
      return dnat(ends);
    case lb::ForwardMode::kIpip:
      return ipip(ends);
    case lb::ForwardMode::kGue:
      return gue(ends);
    case lb::ForwardMode::kDirect:
      return direct(ends);
  }
  __builtin_unreachable();
}

/// Adds to the checksum of the TCP or UDP header at `l4` what translation changes in it. A UDP checksum of 0
/// over IPv4 stays 0; over IPv6 there always is one (RFC 8200, 8.1).
[[gnu::always_inline]] inline void update_l4_checksum(const lb::Rewrite& rewrite, bool is_udp, uint8_t* l4) {
  if (!is_udp) [[likely]] {
    uint8_t* const at = l4 + offsetof(TcpHeader, checksum);
    store(at, checksum_changed(load<uint16_t>(at), rewrite.to_l4_checksum));
  } else {
    uint8_t* const at = l4 + offsetof(UdpHeader, checksum);
    const auto before = load<uint16_t>(at);
    if (before == 0) return;
    store(at, never_zero(Be16::from_network(checksum_changed(before, rewrite.to_l4_checksum))));
  }
}

/// Gives the packet at `ip`, with its TCP or UDP header at `l4`, the ends that its flow's packets become by
/// translation, and takes one of its hops, of which it has more. Over IPv4 it has no options; over IPv6,
/// `addresses` are the flow's.
template <bool is_v4>
[[gnu::always_inline]] inline void translate(const lb::Rewrite& rewrite, const lb::Addresses6& addresses,
                                             bool is_udp, uint8_t* ip, uint8_t* l4) {
  if constexpr (is_v4) {
    // All from the TTL to the ports is written at once. The TTL is the lowest byte of its word.
    const auto word = load<uint32_t>(ip + offsetof(Ipv4Header, ttl));
    const uint32_t first = upper_checksum_changed(word - 1, rewrite.to_header_checksum);
    store(ip + lb::PackedKey::kIpv4Offset,
          _mm_insert_epi32(load<__m128i>(&rewrite), static_cast<int>(first), 0));
  } else {
    --ip[offsetof(Ipv6Header, hop_limit)];
    store(ip + offsetof(Ipv6Header, source), load<__m256i>(&addresses.new_source));
    store(l4, load<uint32_t>(&rewrite.source_port));
  }
  update_l4_checksum(rewrite, is_udp, l4);
}

/// How often a packet may still be passed on.
inline uint8_t hops_left(const uint8_t* ip, bool is_v4) {
  return ip[is_v4 ? offsetof(Ipv4Header, ttl) : offsetof(Ipv6Header, hop_limit)];
}

/// Whether a packet's life ends here. Translation takes a hop. What is left as it is keeps its hops, but none
/// with 0 may be sent at all (RFC 1812 5.3.1, RFC 8200 3).
inline bool ends_here(Treatment treatment, const uint8_t* ip, bool is_v4) {
  return hops_left(ip, is_v4) <= (treatment == Treatment::kTranslate ? 1 : 0);
}

}  // namespace sluice::dataplane
