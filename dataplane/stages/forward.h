// Sends a packet on to the backend, or back to the client, that was decided: by its service's mode into one
// file of forward/. Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/stages/route.h"
#include "dataplane/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

/// The key that NAT gives to packets with the key of `decision.flow`, in its direction. For NAT services,
/// whose decisions always have a flow.
FlowKey translated_key(Worker& worker, const lb::Decision& decision);

/// Where a packet of a NAT service leaves by, once translated to `to`.
Egress egress_of(const Worker& worker, const lb::Decision& decision, const FlowKey& to, uint16_t in_port);

/// Puts a bare IP packet of the flow `key` (client to service) of an ipip, gue or direct service on its way
/// to the decided backend. Takes it over.
void forward_whole(Worker& worker, rte_mbuf* packet, const FlowKey& key, const lb::Decision& decision);

/// Forwards a TCP or UDP packet as decided. Takes it over.
void forward(Worker& worker, rte_mbuf* packet, const lb::Decision& decision);

}  // namespace sluice::dataplane
