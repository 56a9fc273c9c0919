// Copies what clients of a mirrored service send to a backend of another pool, and takes what that answers.
// Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

/// Sends a copy of a client's packet, as it was received, where its flow is mirrored to. The packet stays the
/// caller's, as it is. A copy that cannot be made or sent is counted, and nobody waits for one. `decision`
/// has a flow of a service that translates.
void mirror(Worker& worker, const rte_mbuf* packet, const lb::Decision& decision);

/// True: the packet, which belongs to no flow, is an answer to a copy, or an ICMP error about one, and is
/// taken over.
bool take_mirror_answer(Worker& worker, rte_mbuf* packet);

}  // namespace sluice::dataplane
