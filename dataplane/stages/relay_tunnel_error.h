// ICMP errors about the tunnels to backends (RFC 2003 section 4, RFC 4459). Called by the worker that has
// the packet.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// For a packet as it was received that is no flow's. Where a router says that an ipip or gue packet of ours
/// was too big for it, and quotes enough to tell the flow (a whole inner IP header and eight bytes more), the
/// client is told what its own packets may measure, within the worker's budget of ICMP errors. All else is
/// punt()'s. Takes the packet over.
void relay_tunnel_error(Worker& worker, rte_mbuf* packet);

}  // namespace sluice::dataplane
