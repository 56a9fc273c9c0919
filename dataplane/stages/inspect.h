// Scans what clients send to a service by the rules of its inspection, once it is decided which flow it is
// of, and before it is sent on. Called by the worker that owns the flow. docs/decisions/0042.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/inspect/inspect_worker.h"
#include "dataplane/inspect/inspection.h"
#include "dataplane/worker/worker.h"
#include "lb/balancer.h"
#include "lb/decided_rule.h"

namespace sluice::dataplane {

/// The inspection of a service, or null.
inline Inspection* inspection_of(const Worker& worker, lb::ServiceId service) {
  const InspectionList* const all = worker.tables->inspections.get();
  return all != nullptr && service < all->size() ? (*all)[service].get() : nullptr;
}

/// What every packet of a service's flows must see for its inspection: nothing, where flows themselves say
/// whether they have to be looked at.
inline StageMask inspection_stages(const Worker& worker, lb::ServiceId service) {
  if (!worker.inspects) [[likely]]
    return 0;
  const Inspection* const inspection = inspection_of(worker, service);
  if (inspection == nullptr) return 0;
  const bool is_each_seen =
      !inspection->is_stream() || inspection->is_pending() || worker.inspection->is_sweeping;
  return is_each_seen ? stage::kInspect : 0;
}

/// Whether a packet of that decision is one for inspect().
inline bool must_inspect(const Worker& worker, const lb::Decision& decision) {
  if (!worker.inspects) [[likely]]
    return false;
  return decision.outcome == lb::Outcome::kCached || decision.outcome == lb::Outcome::kPicked;
}

/// The packet, if it goes on; null: it is taken over, for it is dropped or has to wait.
rte_mbuf* inspect(Worker& worker, rte_mbuf* packet, const lb::Decision& decision);
/// Once a packet of that decision has been sent: the next one of its flow that has waited for it, and goes
/// on; null: there is none.
rte_mbuf* inspect_waiting(Worker& worker, const lb::Decision& decision);

/// What inspection makes of a flow, without a trace: kNone, or why its packets are dropped. Adds to `rules`
/// the one that decided, by its id.
DropReason explain_inspection(const Worker& worker, const lb::Decision& decision, lb::DecidedRules& rules);

/// Once for new Tables.
void adopt_inspections(Worker& worker);

/// Has some flows that began before their service had its inspection go by packet, as long as not all have
/// been looked at. Returns whether it did: then there is no time to rest.
bool sweep_uninspected_flows(Worker& worker);

/// Gives back what ended flows have left, and gives up on what has waited for too long. Once per poll.
void tidy_inspection(Worker& worker);

/// The worker stops: drops what waits.
void give_up_inspection(Worker& worker);

}  // namespace sluice::dataplane
