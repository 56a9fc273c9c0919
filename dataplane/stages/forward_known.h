// The short way out for packets of established flows from clients, by far the most: what forward() works out
// for each is taken from the worker's KnownPaths. Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/known_paths.h"
#include "dataplane/stages/forward.h"

namespace sluice::dataplane {

/// Forwards a packet whose key may be that of `flow`, if it goes on with it, begins and ends nothing, fits,
/// and the flow's path is known: true, and the packet is taken over. Else nothing has changed.
inline bool forward_known(Worker& worker, rte_mbuf* packet, lb::FlowEntry& flow) {
  constexpr unsigned kRoom = kMaxAddedHeaders + KnownPath::kLinkRoom;
  const PacketMeta& meta = meta_of(packet);
  const KnownPath* const path = worker.paths.find(flow.service, flow.backend, worker.neighbors.version());
  if (path == nullptr || flow.is_reply || meta.ip_bytes > path->most_ip_bytes || packet->data_off < kRoom) {
    return false;
  }
  const lb::PacketFacts facts{meta.tcp_flags, static_cast<uint16_t>(packet->pkt_len)};
  if (!worker.balancer.goes_on(flow, meta.key, facts, worker.now_ms, path->idle_timeout_ms)) return false;

  const Encapsulation& encapsulation = worker.tables->encapsulation;
  uint8_t* const ip = rte_pktmbuf_mtod_offset(packet, uint8_t*, meta.l3_offset);
  uint8_t* front = ip;
  switch (path->forward) {
    case lb::ForwardMode::kFullNat:
    case lb::ForwardMode::kDnat: {
      const bool full = path->forward == lb::ForwardMode::kFullNat;
      const NatTarget to{full ? &worker.tables->snat[flow.snat] : &flow.key.source, &path->backend_address,
                         full ? flow.translated_port : flow.key.source_port,
                         path->backend_port.network() != 0 ? path->backend_port : flow.key.destination_port,
                         flow.key.protocol};
      const DropReason reason = translate(ip, size_t{meta.l4_offset} - meta.l3_offset, to);
      if (reason != DropReason::kNone) [[unlikely]] {
        worker.drops.drop(packet, reason);
        return true;
      }
      break;
    }
    case lb::ForwardMode::kIpip:
      front -= ipip_bytes(path->backend_address.is_v4());
      encapsulate_ipip(front, encapsulation, path->backend_address, meta.is_v4(), meta.ip_bytes);
      break;
    case lb::ForwardMode::kGue:
      front -= gue_bytes(path->backend_address.is_v4());
      encapsulate_gue(front, encapsulation, path->backend_address, meta.is_v4(), meta.ip_bytes,
                      gue_port_of_flow(worker, meta.key, &flow));
      break;
    case lb::ForwardMode::kDirect:
      break;
  }
  // All of the room at once: what lies in front of the header is nobody's.
  store(front - KnownPath::kLinkRoom, path->link);
  uint8_t* const frame = front - path->link_bytes;
  packet->data_off = static_cast<uint16_t>(frame - static_cast<uint8_t*>(packet->buf_addr));
  packet->data_len = static_cast<uint16_t>(ip + meta.ip_bytes - frame);
  packet->pkt_len = packet->data_len;
  worker.transmit.send(path->port, packet);
  return true;
}

/// Works the path out of a client's flow that is bound and has just been forwarded, if its neighbor is
/// resolved.
inline void remember_path(Worker& worker, const lb::Decision& decision) {
  const lb::Backend& backend = backend_of(worker, decision);
  const lb::Service& service = service_of(worker, decision);
  const Egress egress = route_to_backend(*worker.tables, backend);
  if (!egress.found) return;
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  if (mac == nullptr) return;
  const PortView& view = worker.tables->ports[egress.port];
  const bool is_v4 = backend.address.is_v4();
  KnownPath path{
      .service = decision.service,
      .backend = decision.backend,
      .version = worker.neighbors.version(),
      .idle_timeout_ms = service.idle_timeout_ms,
      .port = egress.port,
      .most_ip_bytes = static_cast<uint16_t>(view.mtu - added_bytes(service.forward, is_v4)),
      .forward = service.forward,
      .link_bytes = static_cast<uint8_t>(ethernet_bytes(view)),
      .backend_port = backend.port,
      .backend_address = backend.address,
      .link = {},
  };
  write_ethernet(path.link.data() + KnownPath::kLinkRoom - path.link_bytes, view, *mac,
                 is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  worker.paths.keep(path);
}

}  // namespace sluice::dataplane
