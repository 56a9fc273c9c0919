// ICMP errors about packets of flows: to the backend that has the flow, or through NAT to the other end, so
// that path MTU discovery and "unreachable" work through the gateway (RFC 5508, section 4). Called by the
// worker that steering chose.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Relays a packet of kind kIcmpError. One about a flow that this worker does not know goes on to the next
/// balancer, where its owner cannot be computed; one about no flow at all to punt(). Takes it over.
void relay_icmp_error(Worker& worker, rte_mbuf* packet);

}  // namespace sluice::dataplane
