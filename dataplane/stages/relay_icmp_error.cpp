#include "dataplane/stages/relay_icmp_error.h"

#include "dataplane/forward/translate_icmp_error.h"
#include "dataplane/packet/icmp.h"
#include "dataplane/stages/forward.h"
#include "dataplane/stages/police.h"
#include "dataplane/stages/relay_tunnel_error.h"
#include "dataplane/stages/steer.h"
#include "dataplane/worker/steering.h"

namespace sluice::dataplane {
namespace {

/// Whether another balancer may have the flow: nobody can compute its owner, it is some service's, and not
/// everybody has been asked.
bool others_may_know(const Worker& worker, const PacketMeta& meta) {
  const FlowKey answer = meta.key.reversed();
  return meta.hops + 1u < worker.place.balancers &&
         owner_of_flow(*worker.tables, worker.place, answer) == kWhoeverReceived &&
         worker.tables->service_table->find(answer.destination, answer.destination_port, answer.protocol) !=
             lb::kNoService;
}

void hand_to_next(Worker& worker, rte_mbuf* packet) {
  ++meta_of(packet).hops;
  const unsigned next = (worker.place.balancer + 1) % worker.place.balancers;
  hand_over(worker, worker_of_balancer(worker.place, next), {&packet, 1});
}

/// Whether an ICMP message says that something is out of reach. A packet that is too big has come to a router
/// that knows the way.
bool says_unreachable(const uint8_t* message, bool is_v4) {
  constexpr uint8_t kFragmentationNeeded = 4;
  const auto icmp = load<IcmpHeader>(message);
  if (!is_v4) return icmp.type == icmpv6_type::kUnreachable;
  return icmp.type == icmp_type::kUnreachable && icmp.code != kFragmentationNeeded;
}

/// The address that a translated error comes from, as NAT elsewhere does it: an end of the flow is shown as
/// what it is translated to; a router stays itself towards a dnat backend, which routes to clients, and is
/// hidden where the receiver could not know it.
IpAddress error_source(const IpAddress& source, const FlowKey& from, const FlowKey& to) {
  const bool receiver_sees_source_network = from.source == to.source;
  return receiver_sees_source_network ? source : to.source;
}

/// Who looks at drops is told whose it was.
void drop_of(Worker& worker, rte_mbuf* packet, const lb::Decision& decision, DropReason reason) {
  meta_of(packet).bind(decision.service, decision.backend);
  worker.drops.drop(packet, reason);
}

void translate_and_send(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  const PacketMeta& meta = meta_of(packet);
  const lb::FlowTable& flows = worker.balancer.flows();
  const FlowKey to = flows.translated_key_of(*decision.flow);
  uint8_t* const ip = bare_ip(packet);
  const size_t ip_header_bytes = meta.l4_offset - size_t{meta.l3_offset};
  if (decision.is_reply && says_unreachable(ip + ip_header_bytes, meta.is_v4())) {
    worker.balancer.note_unreachable(worker.tables->view(), *decision.flow);
  }
  const Egress egress = decision.is_reply ? route_to(*worker.tables, to.destination, meta.in_port)
                                          : route_to_backend(*worker.tables, backend_of(worker, decision));
  if (!egress.found) return drop_of(worker, packet, decision, DropReason::kNoRoute);
  if (packet->pkt_len > largest_packet(worker, egress)) {
    return drop_of(worker, packet, decision, DropReason::kTooBig);
  }
  const IpAddress source = error_source(source_of(ip, meta.is_v4()), flows.key_of(*decision.flow), to);
  const DropReason reason = translate_icmp_error({ip, packet->data_len}, ip_header_bytes, source, to);
  if (reason != DropReason::kNone) return drop_of(worker, packet, decision, reason);
  send(worker, egress, packet);
}

}  // namespace

void relay_icmp_error(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  // What this gateway sends is never to itself.
  if (worker.tables->is_own(meta.key.destination)) {
    return worker.drops.drop(packet, DropReason::kMalformedL3);
  }
  const lb::Decision decision = worker.balancer.find_quoted(worker.tables->view(), meta.key);
  if (decision.outcome != lb::Outcome::kCached && others_may_know(worker, meta)) {
    return hand_to_next(worker, packet);
  }
  switch (decision.outcome) {
    case lb::Outcome::kCached:
    case lb::Outcome::kPicked:
      break;
    case lb::Outcome::kNoBackend:
      return drop_of(worker, packet, decision, DropReason::kNoBackend);
    case lb::Outcome::kNoService:
    case lb::Outcome::kPortExhausted:
    case lb::Outcome::kRateLimited:
      return relay_tunnel_error(worker, packet);
  }
  const auto* const ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l3_offset);
  const DropReason reason = Police::judge_error(worker, meta, decision, source_of(ip, meta.is_v4()));
  if (reason != DropReason::kNone) return drop_of(worker, packet, decision, reason);
  if ((*worker.tables->services)[decision.service].is_nat()) {
    return translate_and_send(worker, packet, decision);
  }
  bare_ip(packet);
  forward_error(worker, packet, meta.key.reversed(), decision);
}

}  // namespace sluice::dataplane
