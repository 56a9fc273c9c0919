#include "dataplane/stages/inspect_known.h"

#include <rte_prefetch.h>

#include <array>

#include "dataplane/packet/plain_key.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/inspect_stream.h"

namespace sluice::dataplane {
namespace {

/// A packet of a flow that has something attached.
struct Looked {
  uint32_t packet;
  InspectWorker::Number number;
};

/// Streams of as many packets as are scanned while memory answers. Those of a whole burst are more than the
/// first-level cache holds.
constexpr size_t kFetchedAhead = 2;

void prefetch_stream(const InspectedFlow& inspected, size_t size) {
  if (inspected.stream == nullptr) return;
  inspected.inspection->prefetch(inspected.stream);
  inspected.order.prefetch_next(size);
}

/// Whether a flow is one whose client's next bytes are looked at, and that they change nothing else about.
bool is_looked_at(const lb::FlowEntry& flow) {
  const bool is_watched = flow.watch == lb::FlowWatch::kRequests || flow.watch == lb::FlowWatch::kBoth;
  return is_watched && !flow.is_reply && lb::FlowTable::is_steady(flow);
}

/// What is the worker's to ask once the flow is: whether the flow's numbers hold, and it may go the short
/// way.
bool may_go_on(const Worker& worker, const lb::FlowEntry& flow) {
  const KnownPath* const path = path_of(worker, flow);
  return path != nullptr && (path->rewrite.stages & stage::kPolice) == 0 &&
         worker.now_ms - flow.last_seen_ms <= path->idle_timeout_ms &&
         inspection_of(worker, flow.service) != nullptr;
}

/// Whether a plain packet has the key of `flow`.
bool is_of(const lb::FlowTable& table, const PlainPackets& packets, size_t i, const lb::FlowEntry& flow) {
  const uint8_t* const ip = packets.ip(i);
  return packets.is_v4(i) ? has_key_of<true>(table, ip, flow) : has_key_of<false>(table, ip, flow);
}

const TcpHeader& tcp_header(const PlainPackets& packets, size_t i) {
  const size_t l4_offset = packets.is_v4(i) ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  return *reinterpret_cast<const TcpHeader*>(packets.ip(i) + l4_offset);
}

/// The segment in a plain TCP packet.
StreamSegment segment_in(const PlainPackets& packets, size_t i) {
  const TcpHeader& tcp = tcp_header(packets, i);
  const auto* const payload = reinterpret_cast<const uint8_t*>(&tcp) + (size_t{tcp.data_offset} >> 4 << 2);
  return {tcp.sequence.host(), {payload, packets.ip(i) + packets.ip_bytes(i)}, false};
}

/// Those packets from number `first` on that may be looked at, whose places are being fetched. None of them
/// has another of its flow before it that may not.
std::span<Looked> find_looked(const Worker& worker, const PlainPackets& packets,
                              std::span<lb::FlowEntry* const> flows, size_t first, std::span<Looked> all) {
  const lb::FlowTable& table = worker.balancer.flows();
  size_t count = 0;
  uint64_t waiting = 0;  // whom packets may belong to that go the long way
  for (size_t i = first; i < flows.size(); ++i) {
    const lb::FlowEntry& flow = *flows[i];
    if (!packets.is_plain(i)) {
      waiting |= packets.parts_of(i);
      continue;
    }
    if (!is_looked_at(flow) || !is_of(table, packets, i, flow) || !may_go_on(worker, flow)) continue;
    const auto number = worker.inspection->attachments.of(table.index_of(flow));
    if (number == InspectWorker::kNone) continue;
    // Urgent bytes have to become plain ones first.
    if ((tcp_header(packets, i).flags & TcpHeader::kUrgent) != 0) waiting |= packets.parts_of(i);
    if ((waiting & packets.parts_of(i)) != 0) continue;
    rte_prefetch0(&(*worker.inspection)[number]);
    all[count++] = {static_cast<uint32_t>(i), number};
  }
  return all.first(count);
}

}  // namespace

uint64_t inspect_known(Worker& worker, const PlainPackets& packets, std::span<lb::FlowEntry* const> flows,
                       size_t first) {
  InspectWorker& own = *worker.inspection;
  std::array<Looked, PlainPackets::kMost> room;
  const std::span<const Looked> looked = find_looked(worker, packets, flows, first, room);
  const auto fetch = [&](size_t at) {
    if (at < looked.size()) prefetch_stream(own[looked[at].number], packets.ip_bytes(looked[at].packet));
  };
  for (size_t at = 0; at < kFetchedAhead; ++at) fetch(at);
  uint64_t passed = 0, waiting = 0;
  for (size_t at = 0; at < looked.size(); ++at) {
    fetch(at + kFetchedAhead);
    const auto& [i, number] = looked[at];
    const uint64_t parts = packets.parts_of(i);
    const bool passes =
        (waiting & parts) == 0 && inspect_in_order(worker, *flows[i], own[number], segment_in(packets, i));
    if (!passes) waiting |= parts;
    passed |= uint64_t{passes} << i;
  }
  return passed;
}

}  // namespace sluice::dataplane
