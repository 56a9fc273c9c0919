#include "dataplane/stages/inspect.h"

#include <algorithm>

#include "dataplane/packet/datagram.h"
#include "dataplane/packet/tcp_segment.h"
#include "dataplane/stages/inspect_stream.h"
#include "lb/rebind.h"

namespace sluice::dataplane {
namespace {

using Number = InspectWorker::Number;

constexpr lb::FlowIndex kEntriesPerSweep = 256;
/// How long a segment waits for the gap before it: a sender that waits longer before it sends again will also
/// send again what was waiting (RFC 6298, 2.4 and 2.5).
constexpr uint32_t kLongestHeldMs = 10'000;

bool is_tcp(const rte_mbuf* packet) {
  return meta_of(const_cast<rte_mbuf*>(packet)).key.protocol == IpProtocol::kTcp;
}

/// What a flow has attached, or kNone.
Number number_of(const Worker& worker, const lb::FlowEntry* flow) {
  if (flow == nullptr) return InspectWorker::kNone;
  return worker.inspection->attachments.of(request_of(worker.balancer.flows(), *flow));
}

/// Scans the payload by itself.
rte_mbuf* inspect_payload(Worker& worker, rte_mbuf* packet, const lb::Decision& decision,
                          Inspection& inspection) {
  if (is_tcp(packet)) clear_urgent(packet);
  const std::span<const uint8_t> payload = is_tcp(packet) ? tcp_payload_of(packet) : udp_payload(packet);
  if (payload.empty()) return packet;
  const ScanVerdict verdict = inspection.scan(worker.place.balancer, payload);
  if (verdict.passes()) return packet;
  refuse(worker, packet, decision, inspection, verdict);
  return nullptr;
}

/// A client's packet of a flow that has no stream, if it may have one.
rte_mbuf* inspect_first(Worker& worker, rte_mbuf* packet, const lb::Decision& decision,
                        Inspection& inspection) {
  lb::FlowEntry* const flow = decision.flow;
  const bool may_begin = flow != nullptr && decision.outcome == lb::Outcome::kPicked && is_tcp(packet) &&
                         lb::is_opening(meta_of(packet).tcp_flags);
  if (may_begin) {
    const uint32_t first = tcp_header_of(packet)->sequence.host() + 1;
    if (begin_stream(worker, inspection, *flow, first)) {
      InspectedFlow& inspected = (*worker.inspection)[number_of(worker, flow)];
      return inspect_segment(worker, packet, decision, inspected);
    }
  }
  if (flow != nullptr && flow->watch == lb::FlowWatch::kNever) {
    worker.balancer.flows().set_watch(*flow, lb::FlowWatch::kRequests);
  }
  return inspect_payload(worker, packet, decision, inspection);
}

/// A backend's packet.
void look_at_answer(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  const Number number = number_of(worker, decision.flow);
  if (!is_tcp(packet)) return;
  if (number != InspectWorker::kNone) return note_answer(worker, packet, *decision.flow, number);
  // It begins another connection with the addresses and ports of one that has been looked at.
  const TcpHeader& tcp = *tcp_header_of(packet);
  constexpr uint8_t kSynAck = TcpHeader::kSyn | TcpHeader::kAck;
  Inspection* const inspection = inspection_of(worker, decision.service);
  const bool begins = (tcp.flags & kSynAck) == kSynAck && decision.flow->watch == lb::FlowWatch::kOver;
  if (!begins || inspection == nullptr || !inspection->is_stream() || inspection->is_pending()) return;
  if (!begin_stream(worker, *inspection, *decision.flow, tcp.acknowledgment.host())) {
    worker.balancer.flows().set_watch(*decision.flow, lb::FlowWatch::kRequests);
  }
}

/// Its service has no inspection any more.
void let_go(Worker& worker, lb::FlowEntry& flow) {
  const Number number = number_of(worker, &flow);
  if (number != InspectWorker::kNone) return leave_stream(worker, flow, number, lb::FlowWatch::kNever);
  if (flow.watch != lb::FlowWatch::kNever) {
    worker.balancer.flows().set_watch(flow, lb::FlowWatch::kNever);
  }
}

}  // namespace

rte_mbuf* inspect(Worker& worker, rte_mbuf* packet, const lb::Decision& decision) {
  lb::FlowEntry* const flow = decision.flow;
  if (flow != nullptr && flow->watch == lb::FlowWatch::kBlocked) {
    worker.drops.drop(packet, DropReason::kInspected, DropDetail::kInspectionRule);
    return nullptr;
  }
  Inspection* const inspection = inspection_of(worker, decision.service);
  if (inspection == nullptr) {
    if (flow != nullptr) let_go(worker, *flow);
    return packet;
  }
  if (inspection->is_pending()) {
    worker.drops.drop(packet, DropReason::kInspected, DropDetail::kInspectionPending);
    return nullptr;
  }
  if (decision.is_reply) {
    look_at_answer(worker, packet, decision);
    return packet;
  }
  tidy_inspection(worker);  // what an ended flow has left is another's from now on
  if (const Number number = number_of(worker, flow); number != InspectWorker::kNone) {
    return inspect_segment(worker, packet, decision, (*worker.inspection)[number]);
  }
  if (!inspection->is_stream()) return inspect_payload(worker, packet, decision, *inspection);
  if (flow != nullptr && flow->watch == lb::FlowWatch::kOver) return packet;
  return inspect_first(worker, packet, decision, *inspection);
}

rte_mbuf* inspect_waiting(Worker& worker, const lb::Decision& decision) {
  const Number number = decision.is_reply ? InspectWorker::kNone : number_of(worker, decision.flow);
  if (number == InspectWorker::kNone) return nullptr;
  return inspect_held(worker, decision, (*worker.inspection)[number]);
}

DropReason explain_inspection(const Worker& worker, const lb::Decision& decision, lb::DecidedRules& rules) {
  if (!worker.inspects) return DropReason::kNone;
  if (decision.flow != nullptr && decision.flow->watch == lb::FlowWatch::kBlocked) {
    const Number number = number_of(worker, decision.flow);
    const uint32_t id =
        number != InspectWorker::kNone ? (*worker.inspection)[number].rule : lb::DecidedRule::kNoIndex;
    rules.add({.kind = lb::DecidedRule::Kind::kInspection, .is_refusal = true, .index = id});
    return DropReason::kInspected;
  }
  const Inspection* const inspection = inspection_of(worker, decision.service);
  if (inspection == nullptr || !inspection->is_pending()) return DropReason::kNone;
  rules.add({.kind = lb::DecidedRule::Kind::kInspection, .is_refusal = true});
  return DropReason::kInspected;
}

void adopt_inspections(Worker& worker) {
  const Tables& tables = *worker.tables;
  if (worker.inspection == nullptr) return;
  if (tables.inspections != nullptr) worker.inspects = true;
  InspectWorker& own = *worker.inspection;
  if (tables.inspection_generation == own.generation) return;
  own.generation = tables.inspection_generation;
  own.cursor = 0;
  own.is_sweeping = worker.balancer.flows().size() != 0;
}

bool sweep_uninspected_flows(Worker& worker) {
  if (!worker.inspects || !worker.inspection->is_sweeping) return false;
  InspectWorker& own = *worker.inspection;
  lb::FlowTable& flows = worker.balancer.flows();
  const lb::View view = worker.tables->view();
  const auto end =
      static_cast<lb::FlowIndex>(std::min<size_t>(size_t{own.cursor} + kEntriesPerSweep, flows.capacity()));
  for (; own.cursor < end; ++own.cursor) {
    lb::FlowEntry& flow = flows.at(own.cursor);
    if (flow.state == lb::FlowState::kFree || flow.is_reply || flow.watch != lb::FlowWatch::kNever) continue;
    const auto binding = lb::binding_of(view, flows, flow);
    const Inspection* const inspection = binding ? inspection_of(worker, binding->service) : nullptr;
    if (inspection != nullptr && inspection->is_stream()) flows.set_watch(flow, lb::FlowWatch::kRequests);
  }
  own.is_sweeping = own.cursor < flows.capacity();
  return true;
}

void tidy_inspection(Worker& worker) {
  if (!worker.inspects) [[likely]]
    return;
  InspectWorker& own = *worker.inspection;
  for (Number number; (number = own.attachments.take_ended()) != InspectWorker::kNone;) {
    close_stream(worker, own[number], DropDetail::kSegmentNotHeld);
    own.give_back(number);
  }
  while (own.held.oldest() != HeldSegments::kNone) {
    const HeldSegments::Segment& oldest = own.held[own.held.oldest()];
    if (worker.now_ms - oldest.since_ms < kLongestHeldMs) return;
    give_up_oldest(worker);
  }
}

void give_up_inspection(Worker& worker) {
  if (!worker.inspects) return;
  while (worker.inspection->held.oldest() != HeldSegments::kNone) give_up_oldest(worker);
}

}  // namespace sluice::dataplane
