#include "dataplane/stages/forward_known.h"

#include <array>

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

template <bool is_v4>
[[gnu::always_inline]] inline size_t bytes_of(const uint8_t* ip) {
  if constexpr (is_v4) return byte_swap(load<uint16_t>(ip + offsetof(Ipv4Header, total_length)));
  return sizeof(Ipv6Header) + byte_swap(load<uint16_t>(ip + offsetof(Ipv6Header, payload_length)));
}

/// The headers of a plain packet.
template <bool is_v4>
[[gnu::always_inline]] inline PacketPlaces plain_packet(uint8_t* ip) {
  return {ip, bytes_of<is_v4>(ip), ip + (is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header))};
}

/// Sends a backend's answer with the key of `flow`, a NAT flow's other half, back to the client. False: it
/// does not go on with it, there is no way for it, or it does not fit, and it is as it was.
template <bool is_v4>
[[gnu::noinline]] bool forward_reply(Worker& worker, rte_mbuf* packet, uint8_t* ip, lb::FlowEntry& flow,
                                     uint8_t in_port, const KnownPath& path) {
  if (path.rewrite.link.port != in_port) return false;
  const lb::FlowTable& flows = worker.balancer.flows();
  const PacketPlaces at = plain_packet<is_v4>(ip);
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
  uint8_t* const frame = ip - ethernet_bytes(view);
  write_ethernet(frame, view, *mac, is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  set_data(packet, frame, ip + at.ip_bytes);
  send_shown(worker, static_cast<uint8_t>(egress.port), packet, flow, path.rewrite.stages);
  return true;
}

/// Forwards a client's packet with the key of `flow` by a path that does not translate. False: it does not go
/// on with it, or would go back, and it is as it was.
template <bool is_v4>
[[gnu::noinline]] bool forward_whole(Worker& worker, rte_mbuf* packet, uint8_t* ip, lb::FlowEntry& flow,
                                     uint8_t in_port, const KnownPath& path) {
  const PathRewrite& rewrite = path.rewrite;
  if (rewrite.treatment == Treatment::kKeep && would_return(*packet, in_port, rewrite.link)) return false;
  if (!lb::Balancer::goes_on(flow, worker.now_ms, path.idle_timeout_ms)) return false;
  treat_and_send<is_v4>(worker, packet, plain_packet<is_v4>(ip), flow, rewrite, in_port);
  return true;
}

/// Forwards a plain packet, at `ip`, if it has the key of `flow` and goes on with it: true, and it is taken
/// over. False: it is as it was, and left to the long way. `is_watched`: whether it may have to see any
/// stage.
template <bool is_v4, bool is_watched>
[[gnu::always_inline]] inline bool forward_plain(Worker& worker, rte_mbuf* packet, uint8_t* ip,
                                                 lb::FlowEntry& flow, uint8_t in_port) {
  if (!has_key_of<is_v4>(worker.balancer.flows(), ip, flow)) return false;
  const KnownPath* const path = path_of(worker, flow);
  const size_t ip_bytes = bytes_of<is_v4>(ip);
  if (path == nullptr || ip_bytes > path->rewrite.most_ip_bytes) return false;
  if (flow.is_reply) return forward_reply<is_v4>(worker, packet, ip, flow, in_port, *path);
  if (path->rewrite.treatment != Treatment::kTranslate) [[unlikely]] {
    return forward_whole<is_v4>(worker, packet, ip, flow, in_port, *path);
  }
  if (!lb::Balancer::goes_on(flow, worker.now_ms, path->idle_timeout_ms)) return false;
  const StageMask stages = is_watched ? path->rewrite.stages : 0;
  show_received(worker, *packet, in_port, flow, stages);
  translate<is_v4>(worker.balancer.flows(), flow, plain_packet<is_v4>(ip));
  send_by_path(worker, packet, ip, ip + ip_bytes, flow, path->rewrite.link, stages);
  return true;
}

/// What a burst of packets has in common: nothing of it is asked for each.
enum class Families : uint8_t { kIpv4, kBoth };

/// forward_plain() for packet `i`.
template <Families families, bool is_watched>
[[gnu::always_inline]] inline bool forward_one(Worker& worker, const PlainPackets& packets, size_t i,
                                               rte_mbuf* packet, lb::FlowEntry& flow, uint8_t in_port) {
  return families == Families::kIpv4 || packets.is_v4(i)
             ? forward_plain<true, is_watched>(worker, packet, packets.ip(i), flow, in_port)
             : forward_plain<false, is_watched>(worker, packet, packets.ip(i), flow, in_port);
}

/// The flows that the packets may be of, or null; what of them is looked at first is being fetched.
template <Families families>
void find_candidates(lb::FlowTable& flows, const PlainPackets& packets,
                     std::span<lb::FlowEntry*> candidates) {
  for (size_t i = 0; i < candidates.size(); ++i) {
    candidates[i] = packets.is_plain(i) ? flows.candidate(packets.hash(i)) : nullptr;
    if (families == Families::kBoth && candidates[i] != nullptr && !packets.is_v4(i)) {
      flows.prefetch_addresses6(*candidates[i]);
    }
  }
}

/// Fetches where flows are counted, if they are, before their packets are.
void prefetch_accounts(const Worker& worker, std::span<lb::FlowEntry* const> candidates) {
  if ((worker.watch.any() & stage::kAccount) == 0) return;
  for (const lb::FlowEntry* const flow : candidates) {
    if (flow != nullptr) worker.balancer.prefetch_account(*flow);
  }
}

/// Forwards those that are plain and whose flows are known. Returns the others, moved to the front.
template <Families families, bool is_watched>
std::span<rte_mbuf*> forward_burst(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames,
                                   const PlainPackets& packets) {
  std::array<lb::FlowEntry*, kBurst> candidates;
  find_candidates<families>(worker.balancer.flows(), packets, std::span(candidates).first(frames.size()));
  if constexpr (is_watched) prefetch_accounts(worker, std::span(candidates).first(frames.size()));
  size_t others = 0;
  uint64_t waiting = 0;  // whom others may belong to: a bit for each of 64 parts of all hashes
  const auto parts_of = [&](size_t i) {
    const bool is_hidden = families == Families::kBoth && packets.hides_key(i);
    return is_hidden ? UINT64_MAX : uint64_t{1} << (packets.hash(i) >> 58);
  };
  for (size_t i = 0; i < frames.size(); ++i) {
    const bool may_go = candidates[i] != nullptr && (waiting == 0 || (waiting & parts_of(i)) == 0);
    if (may_go && forward_one<families, is_watched>(worker, packets, i, frames[i], *candidates[i], port))
        [[likely]]
      continue;
    frames[others++] = frames[i];
    waiting |= parts_of(i);
  }
  return frames.first(others);
}

}  // namespace

std::span<rte_mbuf*> forward_known_flows(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  lb::FlowTable& flows = worker.balancer.flows();
  if (frames.empty() || flows.size() == 0) return frames;
  const PlainPackets packets(frames, PlainLink(worker.tables->ports[port]), flows.hash());
  // Each cache line of a flow is asked for one pass before it is needed.
  for (size_t i = 0; i < frames.size(); ++i) flows.prefetch_bucket(packets.hash(i));
  const bool is_watched = (worker.watch.any() & stage::kOfKnownPaths) != 0;
  const auto forward = packets.are_all_v4() ? is_watched ? forward_burst<Families::kIpv4, true>
                                                         : forward_burst<Families::kIpv4, false>
                       : is_watched ? forward_burst<Families::kBoth, true>
                                            : forward_burst<Families::kBoth, false>;
  return forward(worker, port, frames, packets);
}

}  // namespace sluice::dataplane
