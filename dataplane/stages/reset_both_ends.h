// Ends a TCP connection of a NAT flow at both its ends. Called by the worker that owns the flow.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "dataplane/worker/worker.h"
#include "lb/balancer.h"

namespace sluice::dataplane {

/// Sends a RST to the client and one to the backend, because of the client's packet `packet`, which stays the
/// caller's and is not sent on. `at_backend`: the number that the backend expects next; nothing: the packet's
/// own. Without a buffer nothing is sent.
void reset_both_ends(Worker& worker, rte_mbuf* packet, const lb::Decision& decision,
                     std::optional<uint32_t> at_backend);

}  // namespace sluice::dataplane
