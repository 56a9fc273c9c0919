#include "dataplane/stages/forward_known.h"

#include <algorithm>
#include <array>
#include <bit>

#include "dataplane/forward/eight_flows.h"

namespace sluice::dataplane {
namespace {

/// Whether the plain packet at `ip` has the key of `flow`.
template <bool is_v4>
[[gnu::always_inline]] inline bool has_key_of(const lb::FlowTable& flows, const uint8_t* ip,
                                              const lb::FlowEntry& flow) {
  if constexpr (is_v4) {
    const __m128i compared = _mm_set_epi32(-1, -1, -1, 0x0000ff00);  // not the TTL and the checksum
    const __m128i differs =
        _mm_xor_si128(load<__m128i>(&flow.key), load<__m128i>(ip + lb::PackedKey::kIpv4Offset));
    return _mm_testz_si128(differs, compared) != 0;
  } else {
    const __m256i differs = _mm256_xor_si256(load<__m256i>(&flows.addresses6(flow).source),
                                             load<__m256i>(ip + offsetof(Ipv6Header, source)));
    const uint32_t ports_differ =
        load<uint32_t>(&flow.key.source_port) ^ load<uint32_t>(ip + sizeof(Ipv6Header));
    const uint32_t protocol_differs =
        flow.key.protocol_and_family ^ (ip[offsetof(Ipv6Header, next_header)] | lb::PackedKey::kIpv6);
    return (ports_differ | protocol_differs) == 0 && _mm256_testz_si256(differs, differs) != 0;
  }
}

/// The headers of a plain packet.
template <bool is_v4>
[[gnu::always_inline]] inline PacketPlaces plain_packet(uint8_t* ip, size_t ip_bytes) {
  return {ip, ip_bytes, ip + (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header))};
}

/// Stands for a flow where a packet has none.
lb::FlowEntry nobody;

/// Sends a backend's answer with the key of `flow`, a NAT flow's other half, back to the client. False: it
/// does not go on with it, there is no way for it, or it does not fit, and it is as it was.
template <bool is_v4>
[[gnu::noinline]] bool forward_reply(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                     lb::FlowEntry& flow, uint8_t in_port, const KnownPath& path) {
  if (path.rewrite.link.port != in_port) return false;
  const lb::FlowTable& flows = worker.balancer.flows();
  const Egress egress = route_to(*worker.tables, flows.translated_destination_of(flow), in_port);
  if (!egress.found || egress.tunnel != 0) return false;
  const PortView& view = worker.tables->ports[egress.port];
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  if (mac == nullptr || at.ip_bytes > view.mtu ||
      !lb::Balancer::goes_on(flow, worker.now_ms, path.idle_timeout_ms)) {
    return false;
  }
  worker.balancer.count_answer(flow, packet->pkt_len);
  show_received(worker, *packet, in_port, flow, path.rewrite.stages);
  translate<is_v4>(flows, flow, at);
  uint8_t* const frame = at.ip - ethernet_bytes(view);
  write_ethernet(frame, view, *mac, is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  set_data(packet, frame, at.ip + at.ip_bytes);
  send_shown(worker, static_cast<uint8_t>(egress.port), packet, flow, path.rewrite.stages);
  return true;
}

/// Forwards a client's packet with the key of `flow` by a path that does not translate. False: it does not go
/// on with it, or would go back, and it is as it was.
template <bool is_v4>
[[gnu::noinline]] bool forward_whole(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                     lb::FlowEntry& flow, uint8_t in_port, const KnownPath& path) {
  const PathRewrite& rewrite = path.rewrite;
  if (rewrite.treatment == Treatment::kKeep && would_return(*packet, in_port, rewrite.link)) return false;
  if (!lb::Balancer::goes_on(flow, worker.now_ms, path.idle_timeout_ms)) return false;
  treat_and_send<is_v4>(worker, packet, at, flow, rewrite, in_port);
  return true;
}

/// Forwards a plain packet if it has the key of `flow` and goes on with it: true, and it is taken over.
/// False: it is as it was, and left to the long way. `is_watched`: whether it may have to see any stage.
template <bool is_v4, bool is_watched>
[[gnu::always_inline]] inline bool forward_plain(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                                 lb::FlowEntry& flow, uint8_t in_port) {
  if (!has_key_of<is_v4>(worker.balancer.flows(), at.ip, flow)) return false;
  const KnownPath* const path = path_of(worker, flow);
  if (path == nullptr || at.ip_bytes > path->rewrite.most_ip_bytes) return false;
  if (flow.is_reply) return forward_reply<is_v4>(worker, packet, at, flow, in_port, *path);
  if (path->rewrite.treatment != Treatment::kTranslate) [[unlikely]] {
    return forward_whole<is_v4>(worker, packet, at, flow, in_port, *path);
  }
  if (!lb::Balancer::goes_on(flow, worker.now_ms, path->idle_timeout_ms)) return false;
  const StageMask stages = is_watched ? path->rewrite.stages : 0;
  show_received(worker, *packet, in_port, flow, stages);
  translate<is_v4>(worker.balancer.flows(), flow, at);
  send_by_path(worker, packet, at.ip, at.ip + at.ip_bytes, flow, path->rewrite.link, stages);
  return true;
}

/// The packets of a burst, and the flows that they may be of, or `nobody`.
struct Burst {
  Burst(std::span<rte_mbuf*> all, uint8_t port, const PlainLink& link, const lb::FlowTable& table)
      : frames(all), in_port(port), link_bytes(link.bytes()), packets(all, link, table) {}

  template <bool is_v4>
  [[gnu::always_inline]] PacketPlaces places(size_t i) const {
    return plain_packet<is_v4>(packets.ip(i), packets.ip_bytes(i));
  }
  /// To whom a packet may belong: a bit for each of 64 parts of all hashes.
  uint64_t parts_of(size_t i) const {
    return packets.hides_key(i) ? UINT64_MAX : uint64_t{1} << (packets.hash(i) >> 58);
  }

  std::span<rte_mbuf*> frames;
  uint8_t in_port;
  size_t link_bytes;  ///< of each frame
  PlainPackets packets;
  std::array<lb::FlowEntry*, PlainPackets::kMost> flows;
};
constexpr size_t kEight = PlainPackets::kLanes;

/// Finds the flows that the packets of a burst may be of. What of them is looked at first is being fetched.
void find_flows(lb::FlowTable& flows, Burst& burst) {
  const PlainPackets& packets = burst.packets;
  for (size_t i = 0; i < burst.frames.size(); ++i) {
    lb::FlowEntry* flow = nullptr;
    if (packets.is_plain(i)) [[likely]]
      flow = flows.candidate(packets.hash(i));
    burst.flows[i] = flow != nullptr ? flow : &nobody;
  }
  if (packets.are_all_v4()) [[likely]]
    return;
  for (const lb::FlowEntry* flow : std::span(burst.flows).first(burst.frames.size())) {
    if (flow != &nobody) flows.prefetch_addresses6(*flow);
  }
}

/// Fetches where flows are counted, if they are, before their packets are.
void prefetch_accounts(const Worker& worker, const Burst& burst) {
  if ((worker.watch.any() & stage::kAccount) == 0) return;
  for (const lb::FlowEntry* const flow : std::span(burst.flows).first(burst.frames.size())) {
    if (flow != &nobody) worker.balancer.prefetch_account(*flow);
  }
}

/// Whether one of the eight packets from `first` on, which are to be kept as they are, would go back to its
/// sender.
bool any_would_return(const Burst& burst, size_t first, const EightPaths& paths) {
  for (size_t i = 0; i < kEight; ++i) {
    if (would_return(*burst.frames[first + i], burst.in_port, paths.path[i]->rewrite.link)) return true;
  }
  return false;
}

/// Treats eight packets that may go by their paths, and counts them for their backends. Returns how many
/// bytes they were together, as frames.
template <bool is_v4, Treatment treatment>
[[gnu::always_inline]] inline uint64_t treat_eight(Worker& worker, const Burst& burst, size_t first,
                                                   const EightPaths& paths) {
  lb::FlowEntry* const* const flows = &burst.flows[first];
  constexpr bool is_readdressed = is_v4 && treatment == Treatment::kTranslate;
  if constexpr (is_readdressed) readdress(burst.packets.ips(first), flows);
  const size_t link_bytes = paths.path[0]->rewrite.link.bytes;
  const bool keep_size = treatment != Treatment::kEncapsulate && link_bytes == burst.link_bytes &&
                         !burst.packets.are_padded(first);
  uint64_t bytes = 0;
  for (size_t i = 0; i < kEight; ++i) {
    rte_mbuf* const packet = burst.frames[first + i];
    const PathRewrite& path = paths.path[i]->rewrite;
    const PacketPlaces at = burst.places<is_v4>(first + i);
    bytes += packet->pkt_len;
    worker.balancer.count_for_backend(flows[i]->backend, packet->pkt_len);
    uint8_t* front = at.ip;
    if constexpr (is_readdressed) {
      update_l4_checksum(flows[i]->rewrite, flows[i]->key.is_udp<true>(), at.l4);
    } else {
      front = treat_as<is_v4, treatment>(worker, path, flows[i], nullptr, at);
    }
    uint8_t* const frame = front - link_bytes;
    path.link.write(frame);
    if (!keep_size) set_data(packet, frame, at.ip + at.ip_bytes);
  }
  return bytes;
}

/// Counts eight packets for their services, before they are treated, and sends each by its path's port
/// afterwards: what is done at once where all have the same.
void count_apart(Worker& worker, const Burst& burst, size_t first) {
  for (size_t i = first; i < first + kEight; ++i) {
    worker.balancer.count_requests(burst.flows[i]->service, 1, burst.frames[i]->pkt_len);
  }
}
void send_apart(Worker& worker, const Burst& burst, size_t first, const EightPaths& paths) {
  for (size_t i = 0; i < kEight; ++i) {
    worker.transmit.send_shown(paths.path[i]->rewrite.link.port, burst.frames[first + i]);
  }
}

/// Treats and sends eight packets that may go by their paths.
template <bool is_v4, Treatment treatment>
[[gnu::always_inline]] inline void send_eight(Worker& worker, const Burst& burst, size_t first,
                                              const EightPaths& paths) {
  if (!paths.are_together) [[unlikely]]
    count_apart(worker, burst, first);
  const uint64_t bytes = treat_eight<is_v4, treatment>(worker, burst, first, paths);
  if (!paths.are_together) [[unlikely]]
    return send_apart(worker, burst, first, paths);
  worker.balancer.count_requests(burst.flows[first]->service, kEight, bytes);
  worker.transmit.send_shown(paths.path[0]->rewrite.link.port, burst.frames.subspan(first, kEight));
}

/// Whether each of the eight packets from `first` on, which are of one family, has its flow's key.
template <bool is_v4>
[[gnu::always_inline]] inline bool have_all_keys(const lb::FlowTable& table, const Burst& burst,
                                                 size_t first) {
  lb::FlowEntry* const* const flows = &burst.flows[first];
  if constexpr (is_v4) return have_keys(burst.packets.ips(first), flows);
  for (size_t i = 0; i < kEight; ++i) {
    if (flows[i] == &nobody || !has_key_of<false>(table, burst.packets.ip(first + i), *flows[i]))
      return false;
  }
  return true;
}

/// Forwards the eight packets from `first` on, which are of one family, if all of them are plain and go on
/// with their flows, and their paths treat them alike and have no stage for them but to be counted: true, and
/// they are taken over. False: nothing has changed.
template <bool is_v4, bool is_watched>
bool forward_eight(Worker& worker, const Burst& burst, size_t first) {
  if (!have_all_keys<is_v4>(worker.balancer.flows(), burst, first)) return false;
  lb::FlowEntry* const* const flows = &burst.flows[first];
  const EightPaths paths(worker.paths, flows, burst.packets.all_ip_bytes(first), worker.neighbors.version(),
                         worker.now_ms);
  const PathRewrite& path = paths.path[0]->rewrite;
  const StageMask stages = is_watched ? path.stages : 0;
  if (!paths.may_go || (stages & ~stage::kAccount) != 0) return false;
  if (path.treatment == Treatment::kKeep && any_would_return(burst, first, paths)) return false;
  for (size_t i = 0; i < kEight && (stages & stage::kAccount) != 0; ++i) {
    worker.balancer.account(*flows[i], burst.frames[first + i]->pkt_len);
  }
  for (uint32_t later = paths.seen_later; later != 0; later &= later - 1) {
    flows[std::countr_zero(later)]->last_seen_ms = worker.now_ms;
  }
  switch (path.treatment) {
    case Treatment::kTranslate:
      send_eight<is_v4, Treatment::kTranslate>(worker, burst, first, paths);
      return true;
    case Treatment::kEncapsulate:
      send_eight<is_v4, Treatment::kEncapsulate>(worker, burst, first, paths);
      return true;
    case Treatment::kKeep:
      send_eight<is_v4, Treatment::kKeep>(worker, burst, first, paths);
      return true;
  }
  end_broken("a treatment is one of Treatment");
}

/// forward_plain() for packet `i`.
template <bool is_watched>
[[gnu::always_inline]] inline bool forward_one(Worker& worker, const Burst& burst, size_t i) {
  rte_mbuf* const packet = burst.frames[i];
  lb::FlowEntry& flow = *burst.flows[i];
  if (&flow == &nobody) return false;
  return burst.packets.is_v4(i)
             ? forward_plain<true, is_watched>(worker, packet, burst.places<true>(i), flow, burst.in_port)
             : forward_plain<false, is_watched>(worker, packet, burst.places<false>(i), flow, burst.in_port);
}

/// Forwards those that are plain and whose flows are known. Returns the others, moved to the front.
template <bool is_watched>
std::span<rte_mbuf*> forward_burst(Worker& worker, const Burst& burst) {
  const std::span<rte_mbuf*> frames = burst.frames;
  size_t others = 0;
  uint64_t waiting = 0;  // whom others may belong to
  const auto any_waits = [&](size_t first) {
    uint64_t parts = 0;
    for (size_t i = first; i < first + kEight; ++i) parts |= burst.parts_of(i);
    return (waiting & parts) != 0;
  };
  for (size_t first = 0; first < frames.size(); first += kEight) {
    if (first + kEight <= frames.size() && (waiting == 0 || !any_waits(first))) {
      const bool are_v4 = burst.packets.are_v4(first);
      if (are_v4 ? forward_eight<true, is_watched>(worker, burst, first)
                 : burst.packets.are_v6(first) && forward_eight<false, is_watched>(worker, burst, first))
          [[likely]] {
        continue;
      }
    }
    for (size_t i = first; i < std::min(first + kEight, frames.size()); ++i) {
      const bool may_go = waiting == 0 || (waiting & burst.parts_of(i)) == 0;
      if (may_go && forward_one<is_watched>(worker, burst, i)) continue;
      waiting |= burst.parts_of(i);
      frames[others++] = frames[i];
    }
  }
  return frames.first(others);
}

}  // namespace

std::span<rte_mbuf*> forward_known_flows(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  lb::FlowTable& flows = worker.balancer.flows();
  if (frames.empty() || flows.size() == 0) return frames;
  Burst burst(frames, port, PlainLink(worker.tables->ports[port]), flows);
  find_flows(flows, burst);
  if ((worker.watch.any() & stage::kOfKnownPaths) == 0) return forward_burst<false>(worker, burst);
  prefetch_accounts(worker, burst);
  return forward_burst<true>(worker, burst);
}

}  // namespace sluice::dataplane
