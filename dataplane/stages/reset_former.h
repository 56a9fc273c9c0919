// Makes room at a backend for a connection whose addresses and ports it had less than a minute ago
// (docs/decisions/0017). Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

/// Sends a RST for the former connection ahead of the SYN `packet` that takes its port again: with
/// decision.former_sequence, which a backend in TIME-WAIT takes for the end of it (RFC 9293,
/// section 3.10.7.4). `packet` stays the caller's. Without a buffer for the RST, nothing is sent, and the
/// backend decides.
void reset_former(Worker& worker, rte_mbuf* packet, const lb::Decision& decision);

}  // namespace sluice::dataplane
