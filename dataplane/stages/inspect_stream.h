// A TCP flow's first bytes, in order, before the rules of its inspection; for inspect*.cpp alone.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/inspect/client_stream.h"
#include "dataplane/inspect/inspect_worker.h"
#include "dataplane/inspect/inspection.h"
#include "dataplane/worker/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

/// The entry of the client's packets of a flow.
inline lb::FlowIndex request_of(const lb::FlowTable& flows, const lb::FlowEntry& flow) {
  return flow.is_reply ? flow.peer : flows.index_of(flow);
}

/// Looks at a flow from its first byte on. False: there are as many as may be.
bool begin_stream(Worker& worker, Inspection& inspection, lb::FlowEntry& flow, uint32_t first_sequence);
/// As inspect(), for a client's packet of a flow that has a stream.
rte_mbuf* inspect_segment(Worker& worker, rte_mbuf* packet, const lb::Decision& decision,
                          InspectedFlow& inspected);
/// Scans what is new in a segment of a flow that has a stream, if it is the next one, nobody else waits for
/// it and nothing speaks against it. True: it passes, or has nothing to be scanned. False: it is one for
/// inspect_segment(), which knows what has been found in it.
bool inspect_in_order(Worker& worker, lb::FlowEntry& flow, InspectedFlow& inspected,
                      const StreamSegment& segment);
/// As inspect_waiting().
rte_mbuf* inspect_held(Worker& worker, const lb::Decision& decision, InspectedFlow& inspected);
/// Learns from a backend's packet where the client's stream begins, and whether it has been taken.
void note_answer(Worker& worker, rte_mbuf* packet, lb::FlowEntry& flow, InspectWorker::Number number);

/// Drops the segment that has waited longest of all. There is one.
void give_up_oldest(Worker& worker);
/// Drops what waits for a gap of a stream to fill.
void drop_held(Worker& worker, InspectedFlow& inspected, DropDetail detail);
/// Gives up the stream of a flow, which may have ended, and what waits in it.
void close_stream(Worker& worker, InspectedFlow& inspected, DropDetail detail);
/// Forgets what a flow has here that goes on.
void leave_stream(Worker& worker, lb::FlowEntry& flow, InspectWorker::Number number, lb::FlowWatch watch);

/// A packet that a rule lets not pass: it is dropped, and so is all else of its flow from now on.
void refuse(Worker& worker, rte_mbuf* packet, const lb::Decision& decision, const Inspection& inspection,
            const ScanVerdict& verdict);

/// Takes back that some of a segment's bytes are urgent, which would take them out of what a receiver reads
/// (RFC 6093).
void clear_urgent(rte_mbuf* packet);

}  // namespace sluice::dataplane
