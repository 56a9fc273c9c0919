// Whom a flow belongs to once the configuration has changed (docs/decisions/0016). A flow's identity is what
// its packets meet: the address and port that they are sent to, how they are forwarded, the backend, and the
// source that full-nat gave them; never a name or a number. Called by the worker that owns the flow.
#pragma once

#include <optional>
#include <span>

#include "lb/flow_table.h"
#include "lb/view.h"

namespace sluice::lb {

/// What a flow's numbers refer to in one view.
struct Binding {
  ServiceId service;
  BackendId backend;
  uint8_t snat;  ///< full-nat: index into View::snat
};

/// Whether a flow's numbers hold: its service is there, and its backend keeps it.
inline bool is_bound(const View& view, const FlowEntry& flow) {
  return flow.service < view.services.size() && view.services[flow.service].pool != nullptr &&
         flow.backend < view.backends.size() && view.backends[flow.backend].keeps_flows;
}

/// The service that a client's packet is for, or kNoService.
ServiceId find_service(const View& view, const FlowKey& key);

/// The numbers of a flow in `view`. Where its own do not hold any more: those of the service that its packets
/// are for now, if that forwards them in the same way and a pool of it has a backend at the same endpoint
/// that keeps its flows. Where either service has routes or a split, the backend that the flow has will do
/// too. Nothing: the flow ends. `flow` is either of a NAT flow's entries.
std::optional<Binding> binding_of(const View& view, const FlowTable& flows, const FlowEntry& flow);

/// Gives a flow, both of its entries, another binding. It counts as active there from now on.
void rebind(FlowTable& flows, FlowEntry& flow, const Binding& binding, std::span<TargetCounters> services,
            std::span<TargetCounters> backends);

}  // namespace sluice::lb
