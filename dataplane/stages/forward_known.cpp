#include "dataplane/stages/forward_known.h"

#include <array>

#include "dataplane/packet/plain_packets.h"

namespace sluice::dataplane {
namespace {

template <bool is_v4>
uint64_t addresses_differ(const uint8_t* ip, const uint8_t* key);

/// The first eight bytes of the key tell IPv4 by themselves: no IPv6 packet with a mapped address is plain.
template <>
[[gnu::always_inline]] inline uint64_t addresses_differ<true>(const uint8_t* ip, const uint8_t* key) {
  constexpr size_t kV4 = 12;  // where the IPv4 address lies in an IpAddress
  const uint64_t source_differs =
      load<uint64_t>(key) |
      (load<uint64_t>(key + 8) ^
       (uint64_t{load<uint32_t>(ip + offsetof(Ipv4Header, source))} << 32 | IpAddress::kMappedMark));
  // The IPv4 address is followed by the ports, in the key and in the packet.
  return source_differs | (load<uint64_t>(key + offsetof(FlowKey, destination) + kV4) ^
                           load<uint64_t>(ip + offsetof(Ipv4Header, destination)));
}
template <>
[[gnu::always_inline]] inline uint64_t addresses_differ<false>(const uint8_t* ip, const uint8_t* key) {
  const __m256i differs =
      _mm256_xor_si256(load<__m256i>(key), load<__m256i>(ip + offsetof(Ipv6Header, source)));
  const uint32_t ports_differ =
      load<uint32_t>(key + offsetof(FlowKey, source_port)) ^ load<uint32_t>(ip + sizeof(Ipv6Header));
  return ports_differ | static_cast<uint64_t>(_mm256_testz_si256(differs, differs) == 0);
}

/// Whether the plain packet at `ip` has the key of `flow`.
template <bool is_v4>
[[gnu::always_inline]] inline bool has_key_of(const uint8_t* ip, const lb::FlowEntry& flow) {
  constexpr size_t kProtocol = is_v4 ? offsetof(Ipv4Header, protocol) : offsetof(Ipv6Header, next_header);
  const auto* const key = reinterpret_cast<const uint8_t*>(&flow.key);
  const uint8_t protocol_differs = static_cast<uint8_t>(flow.key.protocol) ^ ip[kProtocol];
  return (addresses_differ<is_v4>(ip, key) | protocol_differs) == 0;
}

/// The headers of a plain packet.
template <bool is_v4>
[[gnu::always_inline]] inline PacketPlaces plain_packet(uint8_t* ip) {
  if constexpr (is_v4) {
    return {ip, load<Be16>(ip + offsetof(Ipv4Header, total_length)).host(), ip + sizeof(Ipv4Header)};
  }
  return {ip, sizeof(Ipv6Header) + load<Be16>(ip + offsetof(Ipv6Header, payload_length)).host(),
          ip + sizeof(Ipv6Header)};
}

/// Sends a backend's answer, which goes on with `flow` (a NAT flow's other half), back to the client. False:
/// there is no way for it, or it does not fit, and it is as it was.
template <bool is_v4>
bool send_reply(Worker& worker, rte_mbuf* packet, const PacketPlaces& at, const lb::FlowEntry& flow,
                uint8_t in_port, StageMask stages) {
  const IpAddress& client = *target_of_answers(worker, flow).destination;
  const Egress egress = route_to(*worker.tables, client, in_port);
  if (!egress.found) return false;
  const PortView& view = worker.tables->ports[egress.port];
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  if (mac == nullptr || at.ip_bytes > view.mtu) return false;
  worker.balancer.count_answer(flow, packet->pkt_len);
  if ((stages & stage::kCaptureReceived) != 0) [[unlikely]]
    worker.watch.received(*packet, in_port, flow.service, flow.backend);
  treat_answer<is_v4>(worker, flow, at);
  uint8_t* const frame = at.ip - ethernet_bytes(view);
  write_ethernet(frame, view, *mac, is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  cut_to(packet, frame, at);
  if ((stages & stage::kCaptureSent) != 0) [[unlikely]]
    worker.watch.sent(*packet, egress.port, flow.service, flow.backend);
  worker.transmit.send_shown(egress.port, packet);
  return true;
}

/// forward_plain() for a packet of that family, at `ip`. `is_watched`: whether it may have to see any stage.
template <bool is_v4, bool is_watched>
[[gnu::always_inline]] inline bool forward_plain_as(Worker& worker, rte_mbuf* packet, uint8_t* ip,
                                                    lb::FlowEntry& flow, uint8_t in_port) {
  const PacketPlaces at = plain_packet<is_v4>(ip);
  const KnownPath* const path = path_of(worker, *packet, at.ip_bytes, flow);
  if (path == nullptr || !has_key_of<is_v4>(ip, flow)) return false;
  const PathRewrite& rewrite = path->rewrite;
  const bool goes_back =
      rewrite.treatment == Treatment::kKeep && would_return(*packet, in_port, rewrite.link);
  if (goes_back || (flow.is_reply && rewrite.link.port != in_port) ||
      !worker.balancer.goes_on(flow, packet->pkt_len, worker.now_ms, path->idle_timeout_ms)) {
    return false;
  }
  const StageMask stages = is_watched ? rewrite.stages : 0;
  if (flow.is_reply) return send_reply<is_v4>(worker, packet, at, flow, in_port, stages);
  send_by_path<is_v4>(worker, packet, at, flow, rewrite, in_port, stages);
  return true;
}

/// What a burst of packets has in common: nothing of it is asked for each.
enum class Families : uint8_t { kIpv4, kBoth };

/// Forwards packet `i`, which is plain and may have the key of `flow`: true, and it is taken over. False: it
/// is as it was, and left to the long way.
template <Families families, bool is_watched>
[[gnu::always_inline]] inline bool forward_plain(Worker& worker, const PlainPackets& packets, size_t i,
                                                 rte_mbuf* packet, lb::FlowEntry& flow, uint8_t in_port) {
  return families == Families::kIpv4 || packets.is_v4(i)
             ? forward_plain_as<true, is_watched>(worker, packet, packets.ip(i), flow, in_port)
             : forward_plain_as<false, is_watched>(worker, packet, packets.ip(i), flow, in_port);
}

/// Forwards those that are plain and whose flows, which may be `candidates`, are known. Returns the others,
/// moved to the front.
template <Families families, bool is_watched>
std::span<rte_mbuf*> forward_burst(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames,
                                   const PlainPackets& packets, lb::FlowEntry* const* candidates) {
  size_t others = 0;
  uint64_t waiting = 0;  // whom others may belong to: a bit for each of 64 parts of all hashes
  const auto parts_of = [&](size_t i) {
    const bool is_hidden = families == Families::kBoth && packets.hides_key(i);
    return is_hidden ? UINT64_MAX : uint64_t{1} << (packets.hash(i) >> 58);
  };
  for (size_t i = 0; i < frames.size(); ++i) {
    const bool may_go = candidates[i] != nullptr && (waiting == 0 || (waiting & parts_of(i)) == 0);
    if (may_go && forward_plain<families, is_watched>(worker, packets, i, frames[i], *candidates[i], port))
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
  std::array<lb::FlowEntry*, kBurst> candidates;
  for (size_t i = 0; i < frames.size(); ++i) flows.prefetch_bucket(packets.hash(i));
  for (size_t i = 0; i < frames.size(); ++i) {
    candidates[i] = packets.is_plain(i) ? flows.candidate(packets.hash(i)) : nullptr;
  }
  for (lb::FlowEntry* const flow : std::span(candidates).first(frames.size())) {
    if (flow == nullptr) continue;
    worker.paths.prefetch(flow->service, flow->backend);
    if (flow->is_reply) flows.prefetch_peer(*flow);
  }
  const bool is_watched = (worker.watch.any() & stage::kOfKnownPaths) != 0;
  const auto forward = packets.are_all_v4() ? is_watched ? forward_burst<Families::kIpv4, true>
                                                         : forward_burst<Families::kIpv4, false>
                       : is_watched ? forward_burst<Families::kBoth, true>
                                            : forward_burst<Families::kBoth, false>;
  return forward(worker, port, frames, packets, candidates.data());
}

}  // namespace sluice::dataplane
