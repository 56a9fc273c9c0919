// The short way out for packets of established flows, by far the most: what forward() works out for each is
// taken from the worker's KnownPaths. Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/forward/known_paths.h"
#include "dataplane/packet/plain_packets.h"
#include "dataplane/stages/forward.h"
#include "dataplane/stages/inspect.h"
#include "dataplane/stages/police.h"
#include "dataplane/stages/receive.h"

namespace sluice::dataplane {

/// Forwards those packets of a burst, received at `port`, that are plain and go on with a flow of this worker
/// whose path is known: by far the most. Takes these over. Returns the others, moved to the front, in their
/// order and unchanged. A packet never overtakes another of its flow.
LeftFrames forward_known_flows(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

static_assert(PlainPackets::kRoomInFront == OuterHeader::kMostBytes + LinkHeader::kMostBytes);

/// The path of a flow's packets to its backend, or null where none is known. A known path also says that the
/// flow's service and backend still exist, which matters for replies as well.
inline const KnownPath* path_of(const Worker& worker, const lb::FlowEntry& flow) {
  return worker.paths.find(flow.service, flow.backend, worker.neighbors.version());
}

/// Whether an answer that came in by `in_port` came the way that `link` leads. A packet whose source lies
/// behind a tunnel has come by that tunnel (decapsulate(), forward_known_in_clear()).
inline bool comes_by(const LinkHeader& link, uint8_t in_port) {
  return link.port == in_port || link.port == Transmit::kTunnels;
}

/// Whether an answer came in by the port by which its flow's backend is reached. An answer from any other
/// side is forged.
inline bool comes_from_backend(const Worker& worker, const lb::FlowEntry& flow, uint8_t in_port) {
  const KnownPath* const path = path_of(worker, flow);
  if (path != nullptr) return comes_by(path->rewrite.link, in_port);
  const Egress egress = route_to_backend(*worker.tables, (*worker.tables->backends)[flow.backend]);
  return !egress.found || egress.tunnel != 0 || egress.port == in_port;
}

/// would_return() for a frame whose path is known.
inline bool would_return(const rte_mbuf& frame, uint8_t in_port, const LinkHeader& link) {
  const auto* const bytes = rte_pktmbuf_mtod(&frame, const uint8_t*);
  return would_return(load<MacAddress>(bytes + offsetof(EthernetHeader, source)), in_port,
                      load<MacAddress>(link.header.data()), link.port);
}

/// Makes what lies from `frame` to `end` all of an mbuf's data.
inline void set_data(rte_mbuf* packet, const uint8_t* frame, const uint8_t* end) {
  const auto size = static_cast<uint16_t>(end - frame);
  packet->data_off = static_cast<uint16_t>(frame - static_cast<const uint8_t*>(packet->buf_addr));
  packet->data_len = size;
  packet->pkt_len = size;
}

/// Where `stages` asks for it, counts a packet in the account of `flow`, and shows it, as it came in at
/// `in_port`, to captures.
inline void show_received(Worker& worker, const rte_mbuf& packet, uint8_t in_port, const lb::FlowEntry& flow,
                          StageMask stages) {
  if ((stages & stage::kAccount) != 0) worker.balancer.account(flow, packet.pkt_len);
  if ((stages & stage::kCaptureReceived) != 0) [[unlikely]]
    worker.watch.received(packet, in_port, flow.service, flow.backend);
}

/// Sends a frame of `flow` by a port and, where `stages` asks for it, shows it to captures. Takes it over.
inline void send_shown(Worker& worker, uint8_t port, rte_mbuf* frame, const lb::FlowEntry& flow,
                       StageMask stages) {
  if ((stages & stage::kCaptureSent) != 0) [[unlikely]]
    worker.watch.sent(*frame, port, flow.service, flow.backend);
  worker.transmit.send_shown(port, frame);
}

/// Counts a client's packet of `flow`, which treat() has rewritten, writes its link header and sends it. Its
/// outermost IP header is at `front`, and it ends at `end`. Takes it over.
inline void send_by_path(Worker& worker, rte_mbuf* packet, uint8_t* front, const uint8_t* end,
                         const lb::FlowEntry& flow, const LinkHeader& link, StageMask stages) {
  worker.balancer.count_request(flow, packet->pkt_len);
  uint8_t* const frame = front - link.bytes;
  link.write(frame);
  set_data(packet, frame, end);
  send_shown(worker, link.port, packet, flow, stages);
}

/// The same for a packet that came in at `in_port` and is not rewritten yet.
template <bool is_v4>
[[gnu::always_inline]] inline void treat_and_send(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                                  lb::FlowEntry& flow, const PathRewrite& path,
                                                  uint8_t in_port) {
  show_received(worker, *packet, in_port, flow, path.stages);
  uint8_t* const front = treat<is_v4>(worker, path, &flow, nullptr, at);
  send_by_path(worker, packet, front, at.ip + at.ip_bytes, flow, path.link, path.stages);
}

/// Whether a parsed packet may go by a path: it fits, there is room in front of it, its TTL does not end
/// here, and it would not be sent back to the station that it came from.
inline bool may_go_by(const PathRewrite& path, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  if (meta.ip_bytes > path.most_ip_bytes || packet->data_off < PlainPackets::kRoomInFront) return false;
  const auto* const ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l3_offset);
  const bool goes_back = path.treatment == Treatment::kKeep && would_return(*packet, meta.in_port, path.link);
  return !goes_back && !ends_here(path.treatment, ip, meta.is_v4());
}

/// Where the headers of a parsed packet are, in its frame.
inline PacketPlaces places_in_frame(rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  return {rte_pktmbuf_mtod_offset(packet, uint8_t*, meta.l3_offset), meta.ip_bytes,
          rte_pktmbuf_mtod_offset(packet, uint8_t*, meta.l4_offset)};
}

/// Forwards a parsed packet whose key may be that of `flow`, if it goes on with it, begins and ends nothing,
/// fits, and the flow's path is known: true, and the packet is taken over. Else nothing has changed.
inline bool forward_known(Worker& worker, rte_mbuf* packet, lb::FlowEntry& flow) {
  const PacketMeta& meta = meta_of(packet);
  const KnownPath* const path = path_of(worker, flow);
  if (path == nullptr || flow.is_reply || !worker.balancer.flows().has_key(flow, meta.key) ||
      (meta.tcp_flags & TcpHeader::kTurning) != 0 || !may_go_by(path->rewrite, packet) ||
      !lb::Balancer::goes_on(flow, worker.now_ms, path->idle_timeout_ms)) {
    return false;
  }
  const PacketPlaces at = places_in_frame(packet);
  const PathRewrite& rewrite = path->rewrite;
  if ((rewrite.stages & stage::kPolice) != 0 && !pass_limits(worker, flow)) {
    drop_limited(worker, packet, meta.in_port, flow);
    return true;
  }
  meta.is_v4() ? treat_and_send<true>(worker, packet, at, flow, rewrite, meta.in_port)
               : treat_and_send<false>(worker, packet, at, flow, rewrite, meta.in_port);
  return true;
}

/// Writes into `rewrite` how packets to a backend leave: the largest size that fits, the port and the link
/// header. False: the MAC address of the next hop is not known.
inline bool find_way_out(Worker& worker, const Egress& egress, const lb::Decision& decision,
                         PathRewrite& rewrite) {
  const size_t mtu = largest_packet(worker, egress);
  rewrite.most_ip_bytes = static_cast<uint16_t>(mtu - std::min<size_t>(mtu, rewrite.outer.bytes));
  LinkHeader& link = rewrite.link;
  if (egress.tunnel != 0) {
    store(link.header.data(), TunnelMark{decision.service, decision.backend, egress.tunnel, {}});
    link.port = Transmit::kTunnels;
    link.bytes = sizeof(TunnelMark);
    rewrite.stages &= static_cast<StageMask>(~stage::kCaptureSent);  // captures see it encrypted
    return true;
  }
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  if (mac == nullptr) return false;
  const PortView& view = worker.tables->ports[egress.port];
  link.port = static_cast<uint8_t>(egress.port);
  link.bytes = static_cast<uint8_t>(ethernet_bytes(view));
  write_ethernet(link.header.data(), view, *mac,
                 backend_of(worker, decision).address.is_v4() ? ether_type::kIpv4 : ether_type::kIpv6);
  return true;
}

/// Works out the path of a client's flow and keeps it, if the next hop's MAC address is known and the short
/// ways have every stage that packets of the service must see. Else nothing is kept.
inline void remember_path(Worker& worker, const lb::Decision& decision) {
  if (service_of(worker, decision).is_mirrored) return;  // copies are made the long way
  const StageMask stages = worker.watch.of_service(decision.service) |
                           police_stages(worker, decision.service) |
                           inspection_stages(worker, decision.service);
  if ((stages & ~stage::kOfKnownPaths) != 0) return;
  const Egress egress = route_to_backend(*worker.tables, backend_of(worker, decision));
  if (!egress.found) return;
  KnownPath path{
      .service = decision.service,
      .backend = decision.backend,
      .version = worker.neighbors.version(),
      .idle_timeout_ms = service_of(worker, decision).idle_timeout_ms,
      .counters = &worker.balancer.counters_of(decision.backend),
      .rewrite = path_rewrite_of(worker, decision, decision.flow->key.is_v4()),
  };
  path.rewrite.stages = stages;
  if (find_way_out(worker, egress, decision, path.rewrite)) worker.paths.keep(path);
}

}  // namespace sluice::dataplane
