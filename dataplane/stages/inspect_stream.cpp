#include "dataplane/stages/inspect_stream.h"

#include "common/checksum.h"
#include "dataplane/packet/tcp_segment.h"
#include "dataplane/stages/reset_both_ends.h"

namespace sluice::dataplane {
namespace {

using Place = ClientStream::Place;

StreamSegment segment_of(rte_mbuf* packet) {
  const TcpHeader& tcp = *tcp_header_of(packet);
  const uint32_t after_syn = (tcp.flags & TcpHeader::kSyn) != 0 ? 1 : 0;
  return {tcp.sequence.host() + after_syn, tcp_payload_of(packet), (tcp.flags & TcpHeader::kFin) != 0};
}

InspectionCounts::OfWorker& counts_of(const Worker& worker, const InspectedFlow& inspected) {
  return inspected.inspection->counts(worker.place.balancer);
}

void drop(Worker& worker, rte_mbuf* packet, DropDetail detail) {
  worker.drops.drop(packet, DropReason::kInspected, detail);
}

/// The stream begins anew, at another number.
void restart(Worker& worker, InspectedFlow& inspected, uint32_t first_sequence) {
  drop_held(worker, inspected, DropDetail::kSegmentNotHeld);
  inspected.inspection->restart_stream(worker.place.balancer, inspected.stream);
  inspected.other_first = inspected.order.first_sequence();
  inspected.order.begin(first_sequence,
                        inspected.inspection->bytes_of(worker.place.balancer, inspected.stream));
  inspected.is_scanned = inspected.is_refused = false;
}

/// A SYN that differs from the first one may be the one that the receiver takes. It has no bytes, which would
/// belong to one of two streams.
rte_mbuf* note_other_syn(Worker& worker, rte_mbuf* packet, InspectedFlow& inspected,
                         const StreamSegment& segment) {
  if (!segment.payload.empty() || segment.has_fin) {
    counts_of(worker, inspected).ambiguous.add();
    drop(worker, packet, DropDetail::kSegmentContradicts);
    return nullptr;
  }
  inspected.other_first = segment.sequence;
  inspected.has_other = true;
  return packet;
}

/// Where the backend is not seen, the client's bytes tell which SYN was taken: they are of the stream that
/// they are nearer to. Should they be of the other one, a receiver gets none of them, and none of the first
/// one's either.
void choose_stream(Worker& worker, InspectedFlow& inspected, const StreamSegment& segment) {
  const uint32_t to_first = segment.sequence - inspected.order.first_sequence();
  const uint32_t to_other = segment.sequence - inspected.other_first;
  if (to_other < to_first && !segment.payload.empty()) restart(worker, inspected, inspected.other_first);
}

/// Scans what is new in the next segment. Where it passes, the stream has moved on.
ScanVerdict scan_next(Worker& worker, InspectedFlow& inspected, const StreamSegment& segment) {
  const unsigned number = worker.place.balancer;
  Inspection& inspection = *inspected.inspection;
  const std::span<const uint8_t> bytes = inspected.order.new_bytes(segment);
  ScanVerdict verdict;
  if (!bytes.empty()) verdict = inspection.scan(number, inspected.stream, bytes);
  if (!verdict.passes()) return verdict;
  inspected.order.pass(segment);
  if (!inspected.order.is_complete() || inspected.is_scanned) return verdict;
  inspected.is_scanned = true;
  return inspection.end_stream(number, inspected.stream);
}

void hold(Worker& worker, rte_mbuf* packet, InspectedFlow& inspected, const StreamSegment& segment) {
  InspectWorker& own = *worker.inspection;
  if (inspected.order.held_count() == HeldSegments::kMostOfStream) {
    counts_of(worker, inspected).held_dropped.add();
    return drop(worker, packet, DropDetail::kSegmentNotHeld);
  }
  if (own.held.is_full()) give_up_oldest(worker);
  const auto number = own.number_of(inspected);
  inspected.order.hold(segment, own.held, {.packet = packet, .since_ms = worker.now_ms, .stream = number});
}

/// An old byte becomes what it was: a receiver that lacks it gets no other.
void restore_byte(rte_mbuf* packet, uint8_t byte) {
  TcpHeader& tcp = *tcp_header_of(packet);
  uint8_t& present = tcp_payload_of(packet)[0];
  ChecksumDelta delta;  // the payload begins at an even place, and a zero byte follows it in the sum
  delta.replace(Be16::from_network(present), Be16::from_network(byte));
  tcp.checksum = delta.apply(tcp.checksum);
  present = byte;
}

void block(Worker& worker, lb::FlowEntry& flow, uint32_t rule) {
  InspectWorker& own = *worker.inspection;
  lb::FlowTable& flows = worker.balancer.flows();
  const lb::FlowIndex request = request_of(flows, flow);
  auto number = own.attachments.of(request);
  if (number == InspectWorker::kNone) number = own.take(request);
  close_stream(worker, own[number], DropDetail::kInspectionRule);
  own[number].rule = rule;
  flows.set_watch(flow, lb::FlowWatch::kBlocked);
}

/// Whether it is the segment in which inspect_in_order() has found what lets no more pass, and none before
/// it.
bool is_refused(const InspectedFlow& inspected, const StreamSegment& segment) {
  if (!inspected.is_refused || segment.payload.empty()) return false;
  const uint32_t end = segment.sequence + static_cast<uint32_t>(segment.payload.size());
  const auto beyond = static_cast<int32_t>(end - inspected.order.next_sequence());
  return inspected.is_scanned ? beyond >= 0 : beyond > 0;
}

/// Whether all has been looked at, and, as far as can be seen, been taken: then packets go the short way.
void look_whether_over(Worker& worker, lb::FlowEntry& flow, InspectedFlow& inspected) {
  if (!inspected.is_scanned) return;
  const bool sees_backend = flow.peer != lb::kNoFlow;
  if (!sees_backend) {
    leave_stream(worker, flow, worker.inspection->number_of(inspected), lb::FlowWatch::kOver);
  } else if (flow.watch != lb::FlowWatch::kBoth) {
    worker.balancer.flows().set_watch(flow, lb::FlowWatch::kBoth);  // until note_answer()
  }
}

}  // namespace

bool begin_stream(Worker& worker, Inspection& inspection, lb::FlowEntry& flow, uint32_t first_sequence) {
  hs_stream* const stream = inspection.open_stream(worker.place.balancer);
  if (stream == nullptr) return false;
  lb::FlowTable& flows = worker.balancer.flows();
  InspectWorker& own = *worker.inspection;
  InspectedFlow& inspected = own[own.take(request_of(flows, flow))];
  inspected.inspection = &inspection;
  inspected.stream = stream;
  inspected.order.begin(first_sequence, inspection.bytes_of(worker.place.balancer, stream));
  flows.set_watch(flow, lb::FlowWatch::kRequests);
  return true;
}

rte_mbuf* inspect_segment(Worker& worker, rte_mbuf* packet, const lb::Decision& decision,
                          InspectedFlow& inspected) {
  const StreamSegment segment = segment_of(packet);
  if (is_refused(inspected, segment)) {
    const RuleAction action = inspected.inspection->plan().rules[inspected.rule].action;
    refuse(worker, packet, decision, *inspected.inspection, {inspected.rule, action});
    return nullptr;
  }
  const bool is_syn = (tcp_header_of(packet)->flags & TcpHeader::kSyn) != 0;
  if (is_syn && segment.sequence != inspected.order.first_sequence()) {
    return note_other_syn(worker, packet, inspected, segment);
  }
  const bool sees_backend = decision.flow->peer != lb::kNoFlow;
  if (!is_syn && inspected.has_other && !sees_backend) choose_stream(worker, inspected, segment);
  clear_urgent(packet);
  switch (inspected.order.place(segment, worker.inspection->held)) {
    case Place::kPasses:
      return packet;
    case Place::kProbe:
      restore_byte(packet, inspected.order.byte_at(segment.sequence));
      return packet;
    case Place::kContradicts:
      counts_of(worker, inspected).ambiguous.add();
      drop(worker, packet, DropDetail::kSegmentContradicts);
      return nullptr;
    case Place::kHeldAlready:
      counts_of(worker, inspected).held_dropped.add();
      drop(worker, packet, DropDetail::kSegmentNotHeld);
      return nullptr;
    case Place::kEarly:
      hold(worker, packet, inspected, segment);
      return nullptr;
    case Place::kNext:
      break;
  }
  const ScanVerdict verdict = scan_next(worker, inspected, segment);
  if (verdict.passes()) return packet;
  refuse(worker, packet, decision, *inspected.inspection, verdict);
  return nullptr;
}

bool inspect_in_order(Worker& worker, lb::FlowEntry& flow, InspectedFlow& inspected,
                      const StreamSegment& segment) {
  if (inspected.stream == nullptr || inspected.is_refused || inspected.has_other ||
      inspected.order.held_count() != 0) {
    return false;
  }
  const Place place = inspected.order.place(segment, worker.inspection->held);
  if (place == Place::kPasses) return true;
  if (place != Place::kNext) return false;
  const ScanVerdict verdict = scan_next(worker, inspected, segment);
  if (verdict.passes()) {
    look_whether_over(worker, flow, inspected);
    return true;
  }
  inspected.rule = verdict.rule;
  inspected.is_refused = true;
  return false;
}

rte_mbuf* inspect_held(Worker& worker, const lb::Decision& decision, InspectedFlow& inspected) {
  if (inspected.stream == nullptr) return nullptr;
  HeldSegments& held = worker.inspection->held;
  const HeldSegments::Index index = inspected.order.next_held(held);
  if (index == HeldSegments::kNone) {
    look_whether_over(worker, *decision.flow, inspected);
    return nullptr;
  }
  const StreamSegment segment = inspected.order.segment_of(held[index]);
  rte_mbuf* const packet = inspected.order.release(held, index);
  meta_of(packet).bind(decision.service, decision.backend);
  const ScanVerdict verdict = scan_next(worker, inspected, segment);
  if (verdict.passes()) return packet;
  refuse(worker, packet, decision, *inspected.inspection, verdict);
  return nullptr;
}

void note_answer(Worker& worker, rte_mbuf* packet, lb::FlowEntry& flow, InspectWorker::Number number) {
  InspectedFlow& inspected = (*worker.inspection)[number];
  const TcpHeader& tcp = *tcp_header_of(packet);
  const uint32_t acknowledgment = tcp.acknowledgment.host();
  if ((tcp.flags & TcpHeader::kAck) == 0 || inspected.stream == nullptr) return;
  if ((tcp.flags & TcpHeader::kSyn) != 0) {
    if (inspected.has_other && acknowledgment == inspected.other_first) {
      restart(worker, inspected, inspected.other_first);
      worker.balancer.flows().set_watch(flow, lb::FlowWatch::kRequests);
    }
    inspected.has_other = false;
  } else if (inspected.is_scanned && inspected.order.is_acknowledged(acknowledgment)) {
    leave_stream(worker, flow, number, lb::FlowWatch::kOver);
  }
}

void give_up_oldest(Worker& worker) {
  InspectWorker& own = *worker.inspection;
  InspectedFlow& inspected = own[own.held[own.held.oldest()].stream];
  counts_of(worker, inspected).held_dropped.add();
  drop(worker, inspected.order.release(own.held, own.held.oldest()), DropDetail::kSegmentNotHeld);
}

void drop_held(Worker& worker, InspectedFlow& inspected, DropDetail detail) {
  HeldSegments& held = worker.inspection->held;
  while (inspected.order.first_held() != HeldSegments::kNone) {
    if (detail == DropDetail::kSegmentNotHeld) counts_of(worker, inspected).held_dropped.add();
    drop(worker, inspected.order.release(held, inspected.order.first_held()), detail);
  }
}

void close_stream(Worker& worker, InspectedFlow& inspected, DropDetail detail) {
  if (inspected.stream == nullptr) return;
  drop_held(worker, inspected, detail);
  hs_stream* const stream = inspected.stream;
  inspected.stream = nullptr;
  inspected.inspection->close_stream(worker.place.balancer, stream);
}

void leave_stream(Worker& worker, lb::FlowEntry& flow, InspectWorker::Number number, lb::FlowWatch watch) {
  InspectWorker& own = *worker.inspection;
  close_stream(worker, own[number], DropDetail::kSegmentNotHeld);
  own.attachments.detach(own[number].flow);
  own.give_back(number);
  worker.balancer.flows().set_watch(flow, watch);
}

void refuse(Worker& worker, rte_mbuf* packet, const lb::Decision& decision, const Inspection& inspection,
            const ScanVerdict& verdict) {
  const uint32_t id = inspection.plan().rules[verdict.rule].id;
  const bool resets = verdict.action == RuleAction::kReset;
  if (decision.flow != nullptr) {
    InspectWorker& own = *worker.inspection;
    const auto number = own.attachments.of(request_of(worker.balancer.flows(), *decision.flow));
    const bool has_stream = number != InspectWorker::kNone && own[number].stream != nullptr;
    const std::optional<uint32_t> at_backend =
        has_stream ? std::optional(own[number].order.next_sequence()) : std::nullopt;
    block(worker, *decision.flow, id);  // the database may be gone from here on
    if (resets) reset_both_ends(worker, packet, decision, at_backend);
  }
  drop(worker, packet, DropDetail::kInspectionRule);
}

void clear_urgent(rte_mbuf* packet) {
  TcpHeader& tcp = *tcp_header_of(packet);
  if ((tcp.flags & TcpHeader::kUrgent) == 0) [[likely]]
    return;
  constexpr size_t kFlagsWord = offsetof(TcpHeader, data_offset);
  auto* const bytes = reinterpret_cast<uint8_t*>(&tcp);
  ChecksumDelta delta;
  const auto before = load<Be16>(bytes + kFlagsWord);
  tcp.flags &= static_cast<uint8_t>(~TcpHeader::kUrgent);
  delta.replace(before, load<Be16>(bytes + kFlagsWord));
  delta.replace(tcp.urgent, Be16());
  tcp.urgent = {};
  tcp.checksum = delta.apply(tcp.checksum);
  meta_of(packet).tcp_flags = tcp.flags;
}

}  // namespace sluice::dataplane
