#include "dataplane/stages/forward_known.h"

#include <array>

#include "dataplane/packet/plain_packets.h"

namespace sluice::dataplane {
namespace {

/// Whether the IPv4 packet at `ip` has the key of `flow`, whose first eight bytes tell IPv4 by themselves: no
/// IPv6 packet with a mapped address is accepted.
bool has_key_of(const uint8_t* ip, const lb::FlowEntry& flow) {
  const auto* const key = reinterpret_cast<const uint8_t*>(&flow.key);
  constexpr size_t kV4 = 12;  // where the IPv4 address lies in an IpAddress
  const uint8_t* const destination = ip + offsetof(Ipv4Header, destination);
  const uint64_t source_differs =
      load<uint64_t>(key) |
      (load<uint64_t>(key + 8) ^
       (uint64_t{load<uint32_t>(ip + offsetof(Ipv4Header, source))} << 32 | IpAddress::kMappedMark));
  const uint64_t rest_differs =
      load<uint64_t>(key + offsetof(FlowKey, destination) + kV4) ^ load<uint64_t>(destination);
  const uint8_t protocol_differs =
      static_cast<uint8_t>(flow.key.protocol) ^ ip[offsetof(Ipv4Header, protocol)];
  return (source_differs | rest_differs | protocol_differs) == 0;
}

/// Sends a backend's answer, which goes on with `flow` (a NAT flow's other half), back to the client. False:
/// there is no way for it, or it does not fit, and it is as it was.
bool send_reply(Worker& worker, rte_mbuf* packet, const KnownPacket& at, const lb::FlowEntry& flow,
                uint8_t in_port) {
  const FlowKey& request = worker.balancer.flows().at(flow.peer).key;
  const Egress egress = route_to(*worker.tables, request.source, in_port);
  if (!egress.found || at.ip_bytes > worker.tables->ports[egress.port].mtu) return false;
  worker.balancer.count_answer(flow, packet->pkt_len);
  translate_ipv4(at.ip, {&request.destination, &request.source, request.destination_port, request.source_port,
                         request.protocol});
  packet->data_off = static_cast<uint16_t>(at.ip - static_cast<uint8_t*>(packet->buf_addr));
  packet->data_len = static_cast<uint16_t>(at.ip_bytes);
  packet->pkt_len = packet->data_len;
  send(worker, egress, packet);
  return true;
}

/// Sends a client's packet that goes on with `flow` to the backend.
[[gnu::always_inline]] inline void send_request(Worker& worker, rte_mbuf* packet, const KnownPacket& at,
                                                lb::FlowEntry& flow, const KnownPath& path, uint8_t in_port) {
  uint8_t* front = at.ip;
  if (lb::is_nat(path.forward)) {
    translate_ipv4(at.ip, known_target(worker, flow, path));
  } else if (path.forward != lb::ForwardMode::kDirect) {
    front = encapsulate(worker, at, flow, path);
  } else if (would_return(*packet, in_port, path)) [[unlikely]] {
    return worker.drops.drop(packet, DropReason::kMalformedL3);
  }
  send_known(worker, packet, front, at, path);
}

/// Forwards a plain packet whose key may be that of `flow`: true, and it is taken over. False: it is as it
/// was, and left to the long way.
[[gnu::always_inline]] inline bool forward_plain(Worker& worker, rte_mbuf* packet, uint8_t* ip,
                                                 lb::FlowEntry& flow, uint8_t in_port) {
  const KnownPacket at{ip, load<Be16>(ip + offsetof(Ipv4Header, total_length)).host(), true};
  const KnownPath* const path = path_of(worker, *packet, at.ip_bytes, flow);
  if (path == nullptr || !has_key_of(ip, flow) || (flow.is_reply && path->port != in_port) ||
      !worker.balancer.goes_on(flow, packet->pkt_len, worker.now_ms, path->idle_timeout_ms)) {
    return false;
  }
  if (flow.is_reply) return send_reply(worker, packet, at, flow, in_port);
  send_request(worker, packet, at, flow, *path, in_port);
  return true;
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
  size_t others = 0;
  uint64_t waiting = 0;  // whom others may belong to: a bit for each of 64 parts of all hashes
  const auto part_of = [&](size_t i) { return uint64_t{1} << (packets.hash(i) >> 58); };
  for (size_t i = 0; i < frames.size(); ++i) {
    const bool may_go = candidates[i] != nullptr && (waiting == 0 || (waiting & part_of(i)) == 0);
    if (may_go && forward_plain(worker, frames[i], packets.ip(i), *candidates[i], port)) [[likely]]
      continue;
    frames[others++] = frames[i];
    waiting |= part_of(i);
  }
  return frames.first(others);
}

}  // namespace sluice::dataplane
