// Where an IP packet leaves by, and its way out: from here on the mbuf's data starts at the IP header.
// Called by the worker that has the packet.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/base/packet.h"
#include "dataplane/stages/encapsulate.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// The port that a packet leaves by, and the neighbor there that it goes to first; by way of an ESP tunnel,
/// those of the tunnel's own packets.
struct Egress {
  bool found = false;
  uint16_t port = 0;
  IpAddress next_hop;
  uint16_t tunnel = 0;  ///< 1 + its place in TunnelTables; 0: none
};

/// By the ESP tunnels, then by the configured routes; link-local addresses (RFC 4291 2.5.6) are on the link
/// of `in_port`.
Egress route_to(const Tables& tables, const IpAddress& destination, uint16_t in_port);

/// To a backend: the next hop that the control thread found for it.
inline Egress route_to_backend(const Tables& tables, const lb::Backend& backend) {
  if (backend.next_hop == UINT32_MAX) return {};
  const NextHop& next_hop = (*tables.next_hops)[backend.next_hop];
  return {true, next_hop.port, next_hop.address, next_hop.tunnel};
}

/// The largest IP packet that a way out takes.
inline size_t largest_packet(const Worker& worker, const Egress& egress) {
  return egress.tunnel == 0 ? worker.tables->ports[egress.port].mtu : tunnel_mtu(worker, egress.tunnel);
}

/// Cuts off the Ethernet header and the padding behind the IP packet. Returns the packet's first byte.
inline uint8_t* bare_ip(rte_mbuf* packet) {
  PacketMeta& meta = meta_of(packet);
  packet->data_off = static_cast<uint16_t>(packet->data_off + meta.l3_offset);
  meta.link_stripped_at = packet->data_off;
  packet->data_len = meta.ip_bytes;
  packet->pkt_len = meta.ip_bytes;
  return rte_pktmbuf_mtod(packet, uint8_t*);
}

/// The addresses of the IP packet whose header is at `ip`: those of PacketMeta::key may be a quote's.
IpAddress source_of(const uint8_t* ip, bool is_v4);
IpAddress destination_of(const uint8_t* ip, bool is_v4);

/// Sends a bare IP packet on its way. Takes it over.
inline void send(Worker& worker, const Egress& egress, rte_mbuf* packet) {
  if (egress.tunnel != 0) [[unlikely]]
    return encapsulate(worker, egress.tunnel, packet);
  worker.neighbors.send(*worker.tables, egress.port, egress.next_hop, packet, worker.now_ms, worker.transmit);
}

}  // namespace sluice::dataplane
