#include "dataplane/stages/forward_known.h"

#include <algorithm>
#include <array>
#include <bit>

#include "dataplane/forward/eight_flows.h"
#include "dataplane/packet/describe.h"
#include "dataplane/packet/plain_key.h"
#include "dataplane/stages/burst_flows.h"
#include "dataplane/stages/inspect_known.h"
#include "dataplane/stages/treat_eight.h"

namespace sluice::dataplane {
namespace {

/// Whether a client's frame, of a flow whose packets must see `stages`, is more than its service lets
/// through: then it is dropped.
[[gnu::always_inline]] inline bool is_limited(Worker& worker, rte_mbuf* frame, uint8_t in_port,
                                              lb::FlowEntry& flow, StageMask stages) {
  if ((stages & stage::kPolice) == 0) [[likely]]
    return false;
  if (pass_limits(worker, flow)) return false;
  drop_limited(worker, frame, in_port, flow);
  return true;
}

/// Works out how answers of `flow`, a NAT flow's other half, leave, and has it remembered. False: there is no
/// way, or none that this knows.
[[gnu::noinline]] bool find_client_way(Worker& worker, lb::FlowEntry& flow, uint8_t in_port, ClientWay& way) {
  const IpAddress client = worker.balancer.flows().translated_destination_of(flow);
  const Egress egress = route_to(*worker.tables, client, in_port);
  if (!egress.found || egress.tunnel != 0) return false;
  const MacAddress* const mac = worker.neighbors.mac_of(egress.port, egress.next_hop, worker.now_ms);
  if (mac == nullptr) return false;
  const PortView& view = worker.tables->ports[egress.port];
  const bool is_v4 = flow.key.is_v4();
  way.version = worker.neighbors.version();
  way.generation = worker.tables->generation;
  way.next_hop = egress.next_hop;
  way.most_ip_bytes = view.mtu;
  way.link.port = static_cast<uint8_t>(egress.port);
  way.link.bytes = static_cast<uint8_t>(ethernet_bytes(view));
  write_ethernet(way.link.header.data(), view, *mac, is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  if (way.next_hop.is_v4() == is_v4) flow.client_way = worker.client_ways.keep(way);
  return true;
}

/// Sends a backend's answer with the key of `flow`, a NAT flow's other half, back to the client. False: it
/// does not go on with it, there is no way for it, or it does not fit, and it is as it was.
template <bool is_v4>
[[gnu::noinline]] bool forward_reply(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                     lb::FlowEntry& flow, uint8_t in_port, const KnownPath& path) {
  if (!comes_by(path.rewrite.link, in_port)) return false;
  const ClientWay* way = worker.client_ways.find(flow.client_way, worker.neighbors.version());
  ClientWay found;
  if (way == nullptr) {
    if (!find_client_way(worker, flow, in_port, found)) return false;
    way = &found;
  }
  if (at.ip_bytes > way->most_ip_bytes || !lb::Balancer::goes_on(flow, worker.now_ms, path.idle_timeout_ms)) {
    return false;
  }
  worker.balancer.count_answer(flow, packet->pkt_len);
  show_received(worker, *packet, in_port, flow, path.rewrite.stages);
  translate<is_v4>(worker.balancer.flows(), flow, at);
  uint8_t* const frame = at.ip - way->link.bytes;
  way->link.write(frame);
  set_data(packet, frame, at.ip + at.ip_bytes);
  send_shown(worker, way->link.port, packet, flow, path.rewrite.stages);
  return true;
}

/// Forwards a client's packet with the key of `flow` by a path that does not translate. False: it does not go
/// on with it, or would go back, and it is as it was.
template <bool is_v4>
[[gnu::noinline]] bool forward_whole(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                     lb::FlowEntry& flow, uint8_t in_port, const KnownPath& path,
                                     bool was_seen) {
  const PathRewrite& rewrite = path.rewrite;
  if (rewrite.treatment == Treatment::kKeep && would_return(*packet, in_port, rewrite.link)) return false;
  if (!lb::Balancer::goes_on(flow, worker.now_ms, path.idle_timeout_ms, was_seen)) return false;
  if (is_limited(worker, packet, in_port, flow, rewrite.stages)) return true;
  treat_and_send<is_v4>(worker, packet, at, flow, rewrite, in_port);
  return true;
}

/// Forwards a plain packet if it has the key of `flow` and goes on with it: true, and it is taken over.
/// False: it is as it was, and left to the long way. `is_watched`: whether it may have to see any stage;
/// `was_seen`: who watches the flow has seen it.
template <bool is_v4, bool is_watched>
[[gnu::always_inline]] inline bool forward_plain(Worker& worker, rte_mbuf* packet, const PacketPlaces& at,
                                                 lb::FlowEntry& flow, uint8_t in_port, bool was_seen) {
  if (!has_key_of<is_v4>(worker.balancer.flows(), at.ip, flow)) return false;
  const KnownPath* const path = path_of(worker, flow);
  if (path == nullptr || at.ip_bytes > path->rewrite.most_ip_bytes) return false;
  if (flow.is_reply) return forward_reply<is_v4>(worker, packet, at, flow, in_port, *path);
  if (path->rewrite.treatment != Treatment::kTranslate) [[unlikely]] {
    return forward_whole<is_v4>(worker, packet, at, flow, in_port, *path, was_seen);
  }
  if (!lb::Balancer::goes_on(flow, worker.now_ms, path->idle_timeout_ms, was_seen)) return false;
  const StageMask stages = is_watched ? path->rewrite.stages : 0;
  if (is_limited(worker, packet, in_port, flow, stages)) return true;
  show_received(worker, *packet, in_port, flow, stages);
  translate<is_v4>(worker.balancer.flows(), flow, at);
  send_by_path(worker, packet, at.ip, at.ip + at.ip_bytes, flow, path->rewrite.link, stages);
  return true;
}

/// Whether one of the eight packets from `first` on, which are to be kept as they are, would go back to its
/// sender.
bool any_would_return(const BurstFlows& burst, size_t first, const EightPlaces& path) {
  for (size_t i = 0; i < kEight; ++i) {
    if (would_return(*burst.frames[first + i], burst.in_port, path[i]->rewrite.link)) return true;
  }
  return false;
}

/// Counts eight packets for their services, before they are treated, and sends each by its path's port
/// afterwards: what is done at once where all have the same.
void count_apart(Worker& worker, const BurstFlows& burst, size_t first) {
  for (size_t i = first; i < first + kEight; ++i) {
    worker.balancer.count_requests(burst.flows[i]->service, 1, burst.frames[i]->pkt_len);
  }
}
void send_apart(Worker& worker, const BurstFlows& burst, size_t first, const EightPlaces& path) {
  for (size_t i = 0; i < kEight; ++i) {
    worker.transmit.send_shown(path[i]->rewrite.link.port, burst.frames[first + i]);
  }
}

/// Treats and sends eight packets that may go by their paths. `are_together`: those of one service, by one
/// port.
template <bool is_v4, Treatment treatment>
[[gnu::always_inline]] inline void send_eight(Worker& worker, const BurstFlows& burst, size_t first,
                                              const EightPlaces& path, bool are_together) {
  if (!are_together) [[unlikely]]
    count_apart(worker, burst, first);
  const uint64_t bytes = treat_eight<is_v4, treatment>(worker, burst, first, path);
  if (!are_together) [[unlikely]]
    return send_apart(worker, burst, first, path);
  worker.balancer.count_requests(burst.flows[first]->service, kEight, bytes);
  worker.transmit.send_eight_shown(path[0]->rewrite.link.port, &burst.frames[first]);
}

/// The same by a path that puts them behind outer headers.
template <bool is_v4>
[[gnu::noinline]] void send_eight_behind(Worker& worker, const BurstFlows& burst, size_t first,
                                         const EightPlaces& path, bool are_together) {
  switch (path[0]->rewrite.treatment) {
    case Treatment::kTranslate:
    case Treatment::kKeep:
      break;
    case Treatment::kBehindIpv4:
      return send_eight<is_v4, Treatment::kBehindIpv4>(worker, burst, first, path, are_together);
    case Treatment::kBehindIpv4Udp:
      return send_eight<is_v4, Treatment::kBehindIpv4Udp>(worker, burst, first, path, are_together);
    case Treatment::kBehindIpv6:
      return send_eight<is_v4, Treatment::kBehindIpv6>(worker, burst, first, path, are_together);
    case Treatment::kBehindIpv6Udp:
      return send_eight<is_v4, Treatment::kBehindIpv6Udp>(worker, burst, first, path, are_together);
  }
  end_broken("only a tunnel has outer headers");
}

/// The one way to clients that eight answers have, which their paths let go. Null where they have not one
/// that is known, do not fit it, or have not come in by the port that their backends are reached by.
const ClientWay* way_of_eight(const Worker& worker, const BurstFlows& burst, size_t first,
                              const LinkHeader& backends) {
  if (!comes_by(backends, burst.in_port)) return nullptr;
  const uint32_t number = burst.flows[first]->client_way;
  const ClientWay* const way = worker.client_ways.find(number, worker.neighbors.version());
  if (way == nullptr) return nullptr;
  const Lanes numbers = load_four(&burst.flows[first], offsetof(lb::FlowEntry, peer))[3];
  const Verdicts fit =
      are_less(load<Lanes>(burst.packets.all_ip_bytes(first)), Lanes{} + (way->most_ip_bytes + 1u));
  return bits_of((numbers == number) & fit) == 0xff ? way : nullptr;
}
static_assert(offsetof(lb::FlowEntry, client_way) == offsetof(lb::FlowEntry, peer) + 12);

/// Treats and sends eight answers.
template <bool is_v4>
[[gnu::always_inline]] inline void answer_eight(Worker& worker, const BurstFlows& burst, size_t first,
                                                const EightPlaces& path, bool have_one_service,
                                                const ClientWay& way) {
  if (!have_one_service) [[unlikely]] {
    for (size_t i = first; i < first + kEight; ++i) {
      worker.balancer.count_answer(*burst.flows[i], burst.frames[i]->pkt_len);
    }
  }
  const uint64_t bytes = treat_eight<is_v4, Treatment::kTranslate, true>(worker, burst, first, path, &way);
  if (have_one_service) worker.balancer.count_answers(burst.flows[first]->service, kEight, bytes);
  worker.transmit.send_eight_shown(way.link.port, &burst.frames[first]);
}

/// Whether each of the eight packets from `first` on, which are of one family, has its flow's key.
template <bool is_v4>
[[gnu::always_inline]] inline bool have_all_keys(const lb::FlowTable& table, const BurstFlows& burst,
                                                 size_t first) {
  lb::FlowEntry* const* const flows = &burst.flows[first];
  if constexpr (is_v4) return have_keys(burst.packets.ips(first), flows);
  return have_keys6(table, burst.packets.ips(first), flows, burst.packets.of_udp(first));
}

/// Forwards the eight packets from `first` on, which are of one family, if all of them are plain and go on
/// with their flows, and their paths treat them alike and have no stage for them but to be counted: true, and
/// they are taken over. False: nothing has changed. A bit of `seen` for each that its flow's watcher has
/// seen.
template <bool is_v4, bool is_watched>
[[gnu::always_inline]] inline bool forward_eight(Worker& worker, const BurstFlows& burst, size_t first,
                                                 uint32_t seen) {
  if (!burst.packets.are_plain(first)) return false;
  if (!have_all_keys<is_v4>(worker.balancer.flows(), burst, first)) return false;
  lb::FlowEntry* const* const flows = &burst.flows[first];
  EightPlaces path;
  const EightPaths paths(worker.paths, flows, burst.packets.all_ip_bytes(first), worker.neighbors.version(),
                         worker.now_ms, is_watched ? seen : 0, path);
  const PathRewrite& rewrite = path[0]->rewrite;
  const StageMask stages = is_watched ? rewrite.stages : 0;
  if (!paths.may_go || (stages & ~(stage::kAccount | stage::kPolice)) != 0) return false;
  const bool are_answers = flows[0]->is_reply;
  const ClientWay* const way =
      are_answers && paths.have_one_port ? way_of_eight(worker, burst, first, rewrite.link) : nullptr;
  if (are_answers && way == nullptr) return false;
  if (rewrite.treatment == Treatment::kKeep) {
    const bool may_return = !paths.have_one_port || rewrite.link.port == burst.in_port;
    if (may_return && any_would_return(burst, first, path)) return false;
  }
  const bool is_counted = (stages & stage::kPolice) != 0 && !are_answers;
  if (is_counted && (!paths.are_together() || !pass_limits(worker, flows))) return false;
  for (size_t i = 0; i < kEight && (stages & stage::kAccount) != 0; ++i) {
    worker.balancer.account(*flows[i], burst.frames[first + i]->pkt_len);
  }
  for (uint32_t later = paths.seen_later; later != 0; later &= later - 1) {
    flows[std::countr_zero(later)]->last_seen_ms = worker.now_ms;
  }
  if (are_answers) {
    answer_eight<is_v4>(worker, burst, first, path, paths.have_one_service, *way);
  } else if (rewrite.treatment == Treatment::kTranslate) {
    send_eight<is_v4, Treatment::kTranslate>(worker, burst, first, path, paths.are_together());
  } else if (rewrite.treatment == Treatment::kKeep) {
    send_eight<is_v4, Treatment::kKeep>(worker, burst, first, path, paths.are_together());
  } else {
    send_eight_behind<is_v4>(worker, burst, first, path, paths.are_together());
  }
  return true;
}

/// The same over IPv6.
template <bool is_watched>
[[gnu::noinline]] bool forward_eight_v6(Worker& worker, const BurstFlows& burst, size_t first,
                                        uint32_t seen) {
  return forward_eight<false, is_watched>(worker, burst, first, seen);
}

/// The same, whichever family they are of, if they are of one; a bit of `seen` for each packet of the burst.
template <bool is_watched>
[[gnu::always_inline]] inline bool forward_any_eight(Worker& worker, const BurstFlows& burst, size_t first,
                                                     uint64_t seen) {
  const auto of_eight = static_cast<uint32_t>(seen >> first & 0xff);
  if (burst.packets.are_v4(first)) [[likely]]
    return forward_eight<true, is_watched>(worker, burst, first, of_eight);
  return burst.packets.are_v6(first) && forward_eight_v6<is_watched>(worker, burst, first, of_eight);
}

/// forward_plain() for packet `i`.
template <bool is_watched>
[[gnu::always_inline]] inline bool forward_one(Worker& worker, const BurstFlows& burst, size_t i,
                                               bool was_seen) {
  rte_mbuf* const packet = burst.frames[i];
  lb::FlowEntry& flow = *burst.flows[i];
  const uint8_t in_port = burst.in_port;
  if (&flow == &nobody || !burst.packets.is_plain(i)) return false;
  return burst.packets.is_v4(i)
             ? forward_plain<true, is_watched>(worker, packet, burst.places<true>(i), flow, in_port, was_seen)
             : forward_plain<false, is_watched>(worker, packet, burst.places<false>(i), flow, in_port,
                                                was_seen);
}

/// What of a burst is left to the long way.
struct Others {
  size_t count = 0;        ///< at the front of the burst
  uint64_t waiting = 0;    ///< parts of all hashes: to whom they may belong
  uint64_t described = 0;  ///< LeftFrames::described
};

/// Whether none of the eight packets from `first` on may belong to a flow of which one is left.
bool may_all_go(const BurstFlows& burst, size_t first, const Others& others) {
  uint64_t parts = 0;
  for (size_t i = first; i < first + kEight; ++i) parts |= burst.packets.parts_of(i);
  return (others.waiting & parts) == 0;
}

/// Forwards those of up to eight packets from `first` on that are plain and whose flows are known.
template <bool is_watched>
[[gnu::noinline]] void forward_each(Worker& worker, BurstFlows& burst, size_t first, uint64_t seen,
                                    Others& others) {
  for (size_t i = first; i < std::min(first + kEight, burst.frames.size()); ++i) {
    const bool may_go = (others.waiting & burst.packets.parts_of(i)) == 0;
    if (may_go && forward_one<is_watched>(worker, burst, i, (seen >> i & 1) != 0)) continue;
    others.waiting |= burst.packets.parts_of(i);
    rte_mbuf* const frame = burst.frames[i];
    if (describe(burst.packets, i, *frame, meta_of(frame))) {
      meta_of(frame).in_port = burst.in_port;
      others.described |= uint64_t{1} << others.count;
    }
    burst.frames[others.count++] = frame;
  }
}

/// Forwards those that are plain and whose flows are known. Returns the others, moved to the front.
template <bool is_watched>
LeftFrames forward_burst(Worker& worker, BurstFlows& burst) {
  lb::FlowTable& flows = worker.balancer.flows();
  const size_t count = burst.frames.size();
  Others others;
  uint64_t seen = 0;                                             // what inspection has let pass
  size_t inspected = is_watched && worker.inspects ? 0 : count;  // it has looked at those before
  for (size_t first = 0; first < count; first += kEight) {
    burst.find_until(worker, flows, first + kBeforeSending + kEight);
    const bool are_eight =
        first + kEight <= count && (others.waiting == 0 || may_all_go(burst, first, others));
    if (are_eight && forward_any_eight<is_watched>(worker, burst, first, seen)) [[likely]]
      continue;
    if (is_watched && first >= inspected) {
      inspected = count;
      burst.find_until(worker, flows, count);
      seen = inspect_known(worker, burst.packets, std::span(burst.flows).first(count), first);
      if (are_eight && seen != 0 && forward_any_eight<is_watched>(worker, burst, first, seen)) continue;
    }
    forward_each<is_watched>(worker, burst, first, seen, others);
  }
  return {burst.frames.first(others.count), others.described};
}

}  // namespace

LeftFrames forward_known_flows(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames) {
  if (frames.empty() || worker.balancer.flows().size() == 0) return {frames};
  BurstFlows burst(frames, port, worker.tables->ports[port]);
  const bool is_watched =
      worker.inspects || worker.police.counts_packets || (worker.watch.any() & stage::kOfKnownPaths) != 0;
  if (!is_watched) [[likely]]
    return forward_burst<false>(worker, burst);
  return forward_burst<true>(worker, burst);
}

}  // namespace sluice::dataplane
