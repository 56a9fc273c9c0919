#include "dataplane/stages/balance.h"

#include <array>

#include "dataplane/stages/carry_checks.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/inspect.h"
#include "dataplane/stages/mirror.h"
#include "dataplane/stages/police.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/reset_former.h"

namespace sluice::dataplane {
namespace {

lb::PacketFacts facts_of(const rte_mbuf* packet, const PacketMeta& meta, uint64_t now_ns) {
  lb::PacketFacts facts{.tcp_flags = meta.tcp_flags,
                        .frame_bytes = static_cast<uint16_t>(packet->pkt_len),
                        .received_ns = now_ns};
  if (meta.key.protocol == IpProtocol::kTcp) {
    const auto* const l4 = rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l4_offset);
    const size_t header_bytes = size_t{l4[offsetof(TcpHeader, data_offset)]} >> 4 << 2;
    const size_t payload_bytes = size_t{meta.l3_offset} + meta.ip_bytes - meta.l4_offset - header_bytes;
    facts.has_payload = payload_bytes > 0;
    const uint32_t sequence = load<Be32>(l4 + offsetof(TcpHeader, sequence)).host();
    facts.next_sequence = sequence + static_cast<uint32_t>(payload_bytes) + 1;
  }
  return facts;
}

/// Notes in a packet's metadata what was decided for it, and shows it to who waits for that service's.
void bind(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  if (decision.service == lb::kNoService) return;
  PacketMeta& meta = meta_of(packet);
  meta.bind(decision.service, decision.backend);
  if ((worker.watch.any() & stage::kCaptureReceived) == 0) [[likely]]
    return;
  if ((worker.watch.of_service(decision.service) & stage::kCaptureReceived) == 0) return;
  worker.watch.received(*packet, meta.in_port, decision.service, decision.backend);
}

/// Whether a copy of what a client sends may have to go to a mirror.
bool may_be_mirrored(const Worker& worker, const lb::Decision& decision) {
  return !decision.is_reply && decision.flow != nullptr && service_of(worker, decision).is_mirrored;
}

/// Sends the packet that has begun a flow by its path, if that is known, or can be worked out; it has been
/// counted, and shown to who waits for it. False: it is not for the path, and nothing has changed about it.
template <bool is_v4>
bool forward_by_path(Worker& worker, rte_mbuf* packet, lb::FlowEntry& flow, const PathRewrite& path) {
  if (path.link.port == Transmit::kTunnels || !may_go_by(path, packet)) return false;
  const PacketPlaces at = places_in_frame(packet);
  uint8_t* const frame = treat<is_v4>(worker, path, &flow, nullptr, at) - path.link.bytes;
  path.link.write(frame);
  set_data(packet, frame, at.ip + at.ip_bytes);
  worker.transmit.send(path.link.port, packet);
  return true;
}
bool forward_newcomer(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  if (decision.flow == nullptr) return false;
  const KnownPath* path = path_of(worker, *decision.flow);
  if (path == nullptr) {
    remember_path(worker, decision);
    path = path_of(worker, *decision.flow);
    if (path == nullptr) return false;
  }
  return meta_of(packet).is_v4() ? forward_by_path<true>(worker, packet, *decision.flow, path->rewrite)
                                 : forward_by_path<false>(worker, packet, *decision.flow, path->rewrite);
}

void carry_out(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  switch (decision.outcome) {
    case lb::Outcome::kCached:
      if (may_be_mirrored(worker, decision)) mirror(worker, packet, decision);
      forward(worker, packet, decision);
      if (!decision.is_reply) remember_path(worker, decision);
      return;
    case lb::Outcome::kPicked:
      if (decision.former_sequence != 0) reset_former(worker, packet, decision);
      if (may_be_mirrored(worker, decision)) mirror(worker, packet, decision);
      if (forward_newcomer(worker, packet, decision)) return;
      return forward(worker, packet, decision);
    case lb::Outcome::kNoService:
      return punt(worker, packet);
    case lb::Outcome::kNoBackend:
      return worker.drops.drop(packet, DropReason::kNoBackend, DropDetail::kNoBackendTakesFlows);
    case lb::Outcome::kPortExhausted:
      return worker.drops.drop(packet, DropReason::kPortExhausted);
    case lb::Outcome::kRateLimited:
      return worker.drops.drop(packet, DropReason::kRateLimited, DropDetail::kServiceLimit);
  }
}

void act_on(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  bind(worker, packet, decision);
  if (!must_inspect(worker, decision)) [[likely]]
    return carry_out(worker, packet, decision);
  packet = inspect(worker, packet, decision);
  for (; packet != nullptr; packet = inspect_waiting(worker, decision)) carry_out(worker, packet, decision);
}

/// Why a packet is dropped before anything is decided about it: a martian that would begin a flow, or an
/// answer that did not come from where the backend is. Else kNone.
DropReason refusal_of(Worker& worker, const PacketMeta& meta, const lb::FlowEntry* flow) {
  if (flow == nullptr) {
    return worker.tables->is_own(meta.key.source) ? DropReason::kMalformedL3 : DropReason::kNone;
  }
  return flow->is_reply && !comes_from_backend(worker, *flow, meta.in_port) ? DropReason::kDenied
                                                                            : DropReason::kNone;
}

}  // namespace

void balance(Worker& worker, std::span<rte_mbuf* const> packets) {
  lb::FlowTable& flows = worker.balancer.flows();
  const lb::View view = worker.tables->view();
  for (rte_mbuf* packet : packets) {
    PacketMeta& meta = meta_of(packet);
    if (meta.flow_hash == 0) meta.flow_hash = flows.hash(meta.key);
    flows.prefetch_bucket(meta.flow_hash);
  }
  std::array<lb::FlowEntry*, kBurst> candidates;
  for (size_t i = 0; i < packets.size(); ++i) candidates[i] = flows.candidate(meta_of(packets[i]).flow_hash);
  std::array<const FlowKey*, kBurst> newcomers;  // most of those that have no candidate begin flows
  for (size_t i = 0; i < packets.size(); ++i)
    newcomers[i] = candidates[i] == nullptr ? &meta_of(packets[i]).key : nullptr;
  std::array<lb::Foresight, kBurst> foresights;
  worker.balancer.foresee(view, std::span(newcomers).first(packets.size()), foresights);
  Police police(worker);
  for (size_t i = 0; i < packets.size(); ++i) {
    rte_mbuf* const packet = packets[i];
    if (candidates[i] != nullptr && forward_known(worker, packet, *candidates[i])) continue;
    PacketMeta& meta = meta_of(packet);
    lb::FlowEntry* const flow = flows.find(meta.key, meta.flow_hash);
    if (const DropReason reason = refusal_of(worker, meta, flow); reason != DropReason::kNone) {
      const bool may_answer_a_check = reason == DropReason::kMalformedL3;  // its source is an address of ours
      if (may_answer_a_check && take_check_answer(worker, packet)) continue;
      worker.drops.drop(packet, reason,
                        may_answer_a_check ? DropDetail::kOwnSource : DropDetail::kNotFromBackend);
      continue;
    }
    if (const DropReason reason = police.judge(meta, flow); reason != DropReason::kNone) {
      const bool is_denied = reason == DropReason::kDenied;
      worker.drops.drop(packet, reason, is_denied ? DropDetail::kAccessRule : DropDetail::kServiceLimit);
      continue;
    }
    // A decision's flow is valid until the next one, so each packet is sent before the next is decided.
    act_on(worker, packet,
           worker.balancer.balance(view, flow, meta.key, meta.flow_hash,
                                   facts_of(packet, meta, worker.now_ns), worker.now_ms, foresights[i]));
  }
}

}  // namespace sluice::dataplane
