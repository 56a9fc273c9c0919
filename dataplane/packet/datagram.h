// UDP datagrams that the gateway makes itself. Any lcore; the buffer is the caller's.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "common/address.h"

namespace sluice::dataplane {

/// One end of a UDP exchange.
struct UdpEnd {
  IpAddress address;
  Be16 port;
};

/// A bare IP packet, checksums in place, in a buffer of `pool`; both ends have one address family. Null where
/// the pool is empty. At most kMostDatagramBytes of payload.
inline constexpr size_t kMostDatagramBytes = 512;
rte_mbuf* make_datagram(rte_mempool* pool, const UdpEnd& from, const UdpEnd& to,
                        std::span<const uint8_t> payload);
/// The same in a fresh buffer.
void write_datagram(rte_mbuf* packet, const UdpEnd& from, const UdpEnd& to, std::span<const uint8_t> payload);

/// The UDP payload of a frame as the parser left it.
std::span<const uint8_t> udp_payload(rte_mbuf* frame);

}  // namespace sluice::dataplane
