// Sends a packet on to the backend, or back to the client, that was decided: by its service's mode into one
// file of forward/. Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "common/siphash.h"
#include "dataplane/forward/gue.h"
#include "dataplane/forward/ipip.h"
#include "dataplane/forward/nat.h"
#include "dataplane/stages/refuse_too_big.h"
#include "dataplane/stages/route.h"
#include "dataplane/worker/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

inline const lb::Service& service_of(const Worker& worker, const lb::Decision& decision) {
  return (*worker.tables->services)[decision.service];
}

inline const lb::Backend& backend_of(const Worker& worker, const lb::Decision& decision) {
  return (*worker.tables->backends)[decision.backend];
}

inline size_t added_bytes(lb::ForwardMode mode, bool outer_v4) {
  switch (mode) {
    case lb::ForwardMode::kIpip:
      return ipip_bytes(outer_v4);
    case lb::ForwardMode::kGue:
      return gue_bytes(outer_v4);
    case lb::ForwardMode::kFullNat:
    case lb::ForwardMode::kDnat:
    case lb::ForwardMode::kDirect:
      return 0;
  }
  __builtin_unreachable();
}

/// The policy's hash costs more than the rest of the encapsulation, so a cached flow remembers the port.
inline Be16 gue_port_of_flow(const Worker& worker, const FlowKey& key, lb::FlowEntry* flow) {
  if (flow != nullptr && flow->translated_port.network() != 0) return flow->translated_port;
  const Be16 port = gue_source_port(siphash24(worker.tables->hash_key, &key, FlowKey::kHashedBytes));
  if (flow != nullptr) flow->translated_port = port;
  return port;
}

/// Whether a packet may be sent at all: none with a TTL or hop limit of 0 may (RFC 1812 5.3.1, RFC 8200 3).
inline bool lives(const uint8_t* ip, bool is_v4) {
  return (is_v4 ? reinterpret_cast<const Ipv4Header*>(ip)->ttl
                : reinterpret_cast<const Ipv6Header*>(ip)->hop_limit) != 0;
}

/// Whether a packet fits the port it leaves by once `added` bytes lie around it; else it is refused.
inline bool fits(Worker& worker, rte_mbuf* packet, const Egress& egress, size_t added) {
  const size_t mtu = worker.tables->ports[egress.port].mtu;
  if (packet->pkt_len + added <= mtu) return true;
  refuse_too_big(worker, packet, mtu - added);
  return false;
}

/// What NAT gives to packets with the key of `decision.flow`, in its direction. For NAT services, whose
/// decisions always have a flow. Valid as long as that.
inline NatTarget nat_target(Worker& worker, const lb::Decision& decision) {
  const lb::FlowEntry& flow = *decision.flow;
  if (decision.is_reply) {
    const FlowKey& request = worker.balancer.flows().at(flow.peer).key;
    return {&request.destination, &request.source, request.destination_port, request.source_port,
            request.protocol};
  }
  const lb::Backend& backend = backend_of(worker, decision);
  const Be16 port = backend.port.network() != 0 ? backend.port : flow.key.destination_port;
  if (service_of(worker, decision).forward == lb::ForwardMode::kFullNat) {
    return {&worker.tables->snat[flow.snat], &backend.address, flow.translated_port, port, flow.key.protocol};
  }
  return {&flow.key.source, &backend.address, flow.key.source_port, port, flow.key.protocol};
}

/// Where a packet of a NAT service leaves by, once translated to `to`.
inline Egress egress_of(const Worker& worker, const lb::Decision& decision, const NatTarget& to,
                        uint16_t in_port) {
  return decision.is_reply ? route_to(*worker.tables, *to.destination, in_port)
                           : route_to_backend(*worker.tables, backend_of(worker, decision));
}

/// Whether a frame from `sender`, come in at `in_port`, would go back to where it is from by direct: that
/// station balances onto this gateway, and neither touches the TTL (docs/decisions/0019).
inline bool would_return(const MacAddress& sender, uint16_t in_port, const MacAddress& next_hop,
                         uint16_t out_port) {
  return sender == next_hop && in_port == out_port;
}

/// Why a whole packet of a service that does not touch the TTL goes nowhere, if it does not: its life is
/// over, or it would go back. kNone: it goes on.
inline DropReason check_passage(Worker& worker, rte_mbuf* packet, lb::ForwardMode mode,
                                const Egress& egress) {
  const PacketMeta& meta = meta_of(packet);
  const auto* const ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  if (!lives(ip, meta.is_v4())) return DropReason::kTtlExpired;
  if (mode != lb::ForwardMode::kDirect) return DropReason::kNone;
  const auto sender = load<MacAddress>(ip - meta.l3_offset + offsetof(EthernetHeader, source));
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  const bool returns = mac != nullptr && would_return(sender, meta.in_port, *mac, egress.port);
  return returns ? DropReason::kMalformedL3 : DropReason::kNone;
}

/// Where a packet goes that stays whole: to `backend` by ipip, gue or direct.
struct WholeTarget {
  lb::ForwardMode mode;
  const IpAddress& backend;
  Egress egress;
  lb::FlowEntry* flow;  ///< null: it is no flow's
};

/// Puts a bare IP packet of the flow `key` (client to service) on its way to a backend that gets it whole.
/// What lies in front of it in its buffer is the frame that it came in. Takes it over.
inline void forward_whole(Worker& worker, rte_mbuf* packet, const FlowKey& key, const WholeTarget& to) {
  const auto& [mode, backend, egress, flow] = to;
  const DropReason reason = check_passage(worker, packet, mode, egress);
  if (reason != DropReason::kNone) return worker.drops.drop(packet, reason);
  const size_t added = added_bytes(mode, backend.is_v4());
  if (!fits(worker, packet, egress, added)) return;
  if (added > 0) {
    const bool is_v4 = meta_of(packet).is_v4();
    const size_t inner_bytes = packet->pkt_len;
    auto* const outer = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(packet, static_cast<uint16_t>(added)));
    if (outer == nullptr) return worker.drops.drop(packet, DropReason::kNoHeadroom);
    const Encapsulation& encapsulation = worker.tables->encapsulation;
    if (mode == lb::ForwardMode::kIpip) {
      encapsulate_ipip(outer, encapsulation, backend, is_v4, inner_bytes);
    } else {
      encapsulate_gue(outer, encapsulation, backend, is_v4, inner_bytes, gue_port_of_flow(worker, key, flow));
    }
  }
  send(worker, egress, packet);
}

/// The same to the decided backend of an ipip, gue or direct service.
inline void forward_whole(Worker& worker, rte_mbuf* packet, const FlowKey& key,
                          const lb::Decision& decision) {
  const lb::Backend& backend = backend_of(worker, decision);
  const Egress egress = route_to_backend(*worker.tables, backend);
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute);
  const lb::ForwardMode mode = service_of(worker, decision).forward;
  forward_whole(worker, packet, key, WholeTarget{mode, backend.address, egress, decision.flow});
}

/// Forwards a TCP or UDP packet as decided. Takes it over.
inline void forward(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  uint8_t* const ip = bare_ip(packet);
  const PacketMeta& meta = meta_of(packet);
  if (!service_of(worker, decision).is_nat()) return forward_whole(worker, packet, meta.key, decision);
  const NatTarget to = nat_target(worker, decision);
  const Egress egress = egress_of(worker, decision, to, meta.in_port);
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute);
  if (!fits(worker, packet, egress, 0)) return;
  const DropReason reason = translate(ip, meta.l4_offset - size_t{meta.l3_offset}, to);
  if (reason != DropReason::kNone) return worker.drops.drop(packet, reason);
  send(worker, egress, packet);
}

}  // namespace sluice::dataplane
