// Sends a packet on to the backend, or back to the client, that was decided. Called by the worker that owns
// the flow.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>

#include "dataplane/stages/refuse_too_big.h"
#include "dataplane/stages/route.h"
#include "dataplane/stages/treat.h"
#include "dataplane/worker/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

inline const lb::Service& service_of(const Worker& worker, const lb::Decision& decision) {
  return (*worker.tables->services)[decision.service];
}

inline const lb::Backend& backend_of(const Worker& worker, const lb::Decision& decision) {
  return (*worker.tables->backends)[decision.backend];
}

/// What the mode of the decided service comes to, for packets of that family.
inline PathRewrite path_rewrite_of(const Worker& worker, const lb::Decision& decision, bool is_v4) {
  return path_rewrite(service_of(worker, decision).forward,
                      {backend_of(worker, decision), worker.tables->encapsulation, is_v4});
}

/// Whether a packet fits the way out once `added` bytes lie around it; else it is refused.
inline bool fits(Worker& worker, rte_mbuf* packet, const Egress& egress, size_t added) {
  const size_t mtu = largest_packet(worker, egress);
  if (packet->pkt_len + added <= mtu) return true;
  refuse_too_big(worker, packet, mtu - std::min(mtu, added));
  return false;
}

/// Whether a frame from `sender`, come in at `in_port`, would go back to where it is from if it is left as it
/// is: that station balances onto this gateway, and neither touches the TTL (docs/decisions/0019).
inline bool would_return(const MacAddress& sender, uint16_t in_port, const MacAddress& next_hop,
                         uint16_t out_port) {
  return sender == next_hop && in_port == out_port;
}

/// Why a bare packet goes nowhere, if it does not: its life is over, or it would go back. kNone: it goes on.
/// What lies in front of it in its buffer is the frame that it came in.
inline DropReason check_passage(Worker& worker, rte_mbuf* packet, Treatment treatment, const Egress& egress) {
  const PacketMeta& meta = meta_of(packet);
  const auto* const ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  if (ends_here(treatment, ip, meta.is_v4())) return DropReason::kTtlExpired;
  if (treatment != Treatment::kKeep) return DropReason::kNone;
  const auto sender = load<MacAddress>(ip - meta.l3_offset + offsetof(EthernetHeader, source));
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  const bool returns = mac != nullptr && would_return(sender, meta.in_port, *mac, egress.port);
  return returns ? DropReason::kMalformedL3 : DropReason::kNone;
}

/// Where the headers of a bare packet are.
inline PacketPlaces places_in(rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  auto* const ip = rte_pktmbuf_mtod(packet, uint8_t*);
  return {ip, packet->pkt_len, ip + meta.l4_offset - meta.l3_offset};
}

/// Puts a bare IP packet that a client sent with `key` on its way by a path. `flow` is null where it is not
/// remembered: then the path does not translate. What lies in front of it in its buffer is the frame that it
/// came in. Takes it over.
template <bool is_v4>
inline void forward_by(Worker& worker, rte_mbuf* packet, const FlowKey& key, const PathRewrite& path,
                       const Egress& egress, lb::FlowEntry* flow) {
  const DropReason reason = check_passage(worker, packet, path.treatment, egress);
  if (reason != DropReason::kNone) return worker.drops.drop(packet, reason);
  const size_t added = path.outer.bytes;
  if (!fits(worker, packet, egress, added)) return;
  if (rte_pktmbuf_headroom(packet) < added) return worker.drops.drop(packet, DropReason::kNoHeadroom);
  treat<is_v4>(worker, path, flow, &key, places_in(packet));
  rte_pktmbuf_prepend(packet, static_cast<uint16_t>(added));
  send(worker, egress, packet);
}

/// The same to the decided backend. The service translates only packets with that key.
template <bool is_v4>
inline void forward_to_backend(Worker& worker, rte_mbuf* packet, const FlowKey& key,
                               const lb::Decision& decision) {
  const Egress egress = route_to_backend(*worker.tables, backend_of(worker, decision));
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute, DropDetail::kNoRouteToBackend);
  forward_by<is_v4>(worker, packet, key, path_rewrite_of(worker, decision, is_v4), egress, decision.flow);
}

/// Puts a backend's bare answer of a NAT flow on its way to the client. Takes it over.
template <bool is_v4>
inline void forward_to_client(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  const lb::FlowTable& flows = worker.balancer.flows();
  const IpAddress client = flows.translated_destination_of(*decision.flow);
  const Egress egress = route_to(*worker.tables, client, meta_of(packet).in_port);
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute, DropDetail::kNoRouteToSender);
  const DropReason reason = check_passage(worker, packet, Treatment::kTranslate, egress);
  if (reason != DropReason::kNone) return worker.drops.drop(packet, reason);
  if (!fits(worker, packet, egress, 0)) return;
  translate<is_v4>(flows, *decision.flow, places_in(packet));
  send(worker, egress, packet);
}

/// Forwards a TCP or UDP packet as decided. Takes it over.
inline void forward(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  bare_ip(packet);
  const PacketMeta& meta = meta_of(packet);
  if (meta.is_v4()) {
    return decision.is_reply ? forward_to_client<true>(worker, packet, decision)
                             : forward_to_backend<true>(worker, packet, meta.key, decision);
  }
  return decision.is_reply ? forward_to_client<false>(worker, packet, decision)
                           : forward_to_backend<false>(worker, packet, meta.key, decision);
}

/// Puts a bare ICMP error about the flow `key` (client to service) of a service that does not translate on
/// its way to the decided backend, as the flow's packets go. Takes it over.
inline void forward_error(Worker& worker, rte_mbuf* packet, const FlowKey& key,
                          const lb::Decision& decision) {
  meta_of(packet).is_v4() ? forward_to_backend<true>(worker, packet, key, decision)
                          : forward_to_backend<false>(worker, packet, key, decision);
}

}  // namespace sluice::dataplane
