// What parse() says of a packet whose lane has found it sound, without looking at it again. Pure; any thread.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "common/bytes.h"
#include "common/headers.h"
#include "dataplane/base/packet.h"
#include "dataplane/packet/parser.h"
#include "dataplane/packet/plain_packets.h"

namespace sluice::dataplane {

template <bool is_v4>
[[gnu::always_inline]] inline bool describe_as(const PlainPackets& packets, size_t i, const rte_mbuf& frame,
                                               PacketMeta& meta) {
  using Header = std::conditional_t<is_v4, Ipv4Header, Ipv6Header>;
  const uint8_t *const ip = packets.ip(i), *const l4 = ip + sizeof(Header);
  const auto& header = *reinterpret_cast<const Header*>(ip);
  if (is_martian(header.source)) [[unlikely]]
    return false;
  meta = PacketMeta{};
  if constexpr (is_v4) {
    meta.key.source = IpAddress::v4(header.source);
    meta.key.destination = IpAddress::v4(header.destination);
    meta.key.protocol = header.protocol;
  } else {
    meta.key.source = IpAddress::v6(header.source.data());
    meta.key.destination = IpAddress::v6(header.destination.data());
    meta.key.protocol = header.next_header;
  }
  store(&meta.key.source_port, load<uint32_t>(l4));
  if (meta.key.protocol == IpProtocol::kTcp) meta.tcp_flags = l4[offsetof(TcpHeader, flags)];
  meta.flow_hash = packets.hash(i);
  meta.ip_bytes = static_cast<uint16_t>(packets.ip_bytes(i));
  meta.l3_offset = static_cast<uint8_t>(ip - rte_pktmbuf_mtod(&frame, const uint8_t*));
  meta.l4_offset = static_cast<uint16_t>(meta.l3_offset + sizeof(Header));
  meta.kind = PacketKind::kFlow;
  return true;
}

/// Fills `meta` as parse() does, but for in_port, of the frame that is packet `i`; and its key's hash, which
/// the lane has made too. False: it is not sound, or would be dropped, and parse() is to say what it is.
[[gnu::always_inline]] inline bool describe(const PlainPackets& packets, size_t i, const rte_mbuf& frame,
                                            PacketMeta& meta) {
  if (!packets.is_sound(i)) return false;
  return packets.is_v4(i) ? describe_as<true>(packets, i, frame, meta)
                          : describe_as<false>(packets, i, frame, meta);
}

}  // namespace sluice::dataplane
