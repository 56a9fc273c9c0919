// The short way out for packets of established flows from clients, by far the most: what forward() works out
// for each is taken from the worker's KnownPaths. Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/neighbor/known_paths.h"
#include "dataplane/stages/forward.h"

namespace sluice::dataplane {

/// The received packets of a burst, at `port`, that are plain and go on with a flow of this worker's whose
/// path is known, sent on: by far the most, before anything else is made of them. Returns the others, moved
/// to the front, in their order; nothing has changed about them. A packet never overtakes another of its
/// flow.
std::span<rte_mbuf*> forward_known_flows(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

/// Where the headers of a packet are.
struct KnownPacket {
  uint8_t* ip;
  size_t ip_bytes;
  bool is_v4;
};

/// The path of a flow's packets to its backend, or null where there is none, or the packet does not fit it.
/// Its version tells that the flow's service and backend are there, for replies too.
inline const KnownPath* path_of(const Worker& worker, const rte_mbuf& packet, size_t ip_bytes,
                                const lb::FlowEntry& flow) {
  constexpr unsigned kRoom = kMaxAddedHeaders + KnownPath::kMostLinkBytes;
  const KnownPath* const path = worker.paths.find(flow.service, flow.backend, worker.neighbors.version());
  const bool fits = path != nullptr && ip_bytes <= path->most_ip_bytes && packet.data_off >= kRoom;
  return fits ? path : nullptr;
}

/// Whether an answer came in by the port that its flow's backend is reached by. Else somebody on another side
/// made it up.
inline bool comes_from_backend(const Worker& worker, const lb::FlowEntry& flow, uint8_t in_port) {
  const KnownPath* const path = worker.paths.find(flow.service, flow.backend, worker.neighbors.version());
  if (path != nullptr) return path->port == in_port;
  const Egress egress = route_to_backend(*worker.tables, (*worker.tables->backends)[flow.backend]);
  return !egress.found || egress.port == in_port;
}

/// would_return() for a frame whose path is known.
inline bool would_return(const rte_mbuf& frame, uint8_t in_port, const KnownPath& path) {
  const auto* const bytes = rte_pktmbuf_mtod(&frame, const uint8_t*);
  return would_return(load<MacAddress>(bytes + offsetof(EthernetHeader, source)), in_port,
                      load<MacAddress>(path.link.data()), path.port);
}

/// Puts the outer headers of a tunnel's mode in front of a packet. Returns where they begin.
[[gnu::noinline]] inline uint8_t* encapsulate(const Worker& worker, const KnownPacket& at,
                                              lb::FlowEntry& flow, const KnownPath& path) {
  const Encapsulation& encapsulation = worker.tables->encapsulation;
  uint8_t* const outer = at.ip - added_bytes(path.forward, path.backend_address.is_v4());
  if (path.forward == lb::ForwardMode::kIpip) {
    encapsulate_ipip(outer, encapsulation, path.backend_address, at.is_v4, at.ip_bytes);
  } else {
    encapsulate_gue(outer, encapsulation, path.backend_address, at.is_v4, at.ip_bytes,
                    gue_port_of_flow(worker, flow.key, &flow));
  }
  return outer;
}

/// What NAT gives to the packets of a flow from a client.
inline NatTarget known_target(const Worker& worker, const lb::FlowEntry& flow, const KnownPath& path) {
  const bool full = path.forward == lb::ForwardMode::kFullNat;
  return {full ? &worker.tables->snat[flow.snat] : &flow.key.source, &path.backend_address,
          full ? flow.translated_port : flow.key.source_port,
          path.backend_port.network() != 0 ? path.backend_port : flow.key.destination_port,
          flow.key.protocol};
}

/// Sends a packet, rewritten for its path, whose outermost IP header is at `front`. Takes it over.
[[gnu::always_inline]] inline void send_known(Worker& worker, rte_mbuf* packet, uint8_t* front,
                                              const KnownPacket& at, const KnownPath& path) {
  uint8_t* const frame = front - path.link_bytes;
  path.write_link(frame);
  packet->data_off = static_cast<uint16_t>(frame - static_cast<uint8_t*>(packet->buf_addr));
  packet->data_len = static_cast<uint16_t>(at.ip + at.ip_bytes - frame);
  packet->pkt_len = packet->data_len;
  worker.transmit.send(path.port, packet);
}

/// Forwards a parsed packet whose key may be that of `flow`, if it goes on with it, begins and ends nothing,
/// fits, and the flow's path is known: true, and the packet is taken over. Else nothing has changed.
inline bool forward_known(Worker& worker, rte_mbuf* packet, lb::FlowEntry& flow) {
  const PacketMeta& meta = meta_of(packet);
  const KnownPath* const path = path_of(worker, *packet, meta.ip_bytes, flow);
  if (path == nullptr || flow.is_reply || !(flow.key == meta.key) ||
      (meta.tcp_flags & TcpHeader::kTurning) != 0 ||
      !worker.balancer.goes_on(flow, packet->pkt_len, worker.now_ms, path->idle_timeout_ms)) {
    return false;
  }
  const KnownPacket at{rte_pktmbuf_mtod_offset(packet, uint8_t*, meta.l3_offset), meta.ip_bytes,
                       meta.is_v4()};
  uint8_t* front = at.ip;
  DropReason reason = DropReason::kNone;
  if (lb::is_nat(path->forward)) {
    reason = translate(at.ip, size_t{meta.l4_offset} - meta.l3_offset, known_target(worker, flow, *path));
  } else if (!lives(at.ip, at.is_v4)) {
    reason = DropReason::kTtlExpired;
  } else if (path->forward != lb::ForwardMode::kDirect) {
    front = encapsulate(worker, at, flow, *path);
  } else if (would_return(*packet, meta.in_port, *path)) {
    reason = DropReason::kMalformedL3;
  }
  if (reason != DropReason::kNone) [[unlikely]] {
    worker.drops.drop(packet, reason);
    return true;
  }
  send_known(worker, packet, front, at, *path);
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
  write_ethernet(path.link.data(), view, *mac, is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  worker.paths.keep(path);
}

}  // namespace sluice::dataplane
