// A TCP segment in a packet as the parser left it. Any lcore.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "common/headers.h"
#include "dataplane/base/packet.h"

namespace sluice::dataplane {

inline TcpHeader* tcp_header_of(rte_mbuf* packet) {
  return rte_pktmbuf_mtod_offset(packet, TcpHeader*, meta_of(packet).l4_offset);
}

/// Its payload. The parser has seen that the header lies within the packet.
inline std::span<uint8_t> tcp_payload_of(rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  const size_t header_bytes = size_t{tcp_header_of(packet)->data_offset} >> 4 << 2;
  const size_t start = meta.l4_offset + header_bytes;
  return {rte_pktmbuf_mtod_offset(packet, uint8_t*, start), size_t{meta.l3_offset} + meta.ip_bytes - start};
}

/// How many sequence numbers a segment takes (RFC 9293, 3.4).
inline uint32_t sequence_length_of(rte_mbuf* packet) {
  const uint8_t flags = tcp_header_of(packet)->flags;
  const uint32_t turns = ((flags & TcpHeader::kSyn) != 0 ? 1 : 0) + ((flags & TcpHeader::kFin) != 0 ? 1 : 0);
  return static_cast<uint32_t>(tcp_payload_of(packet).size()) + turns;
}

}  // namespace sluice::dataplane
