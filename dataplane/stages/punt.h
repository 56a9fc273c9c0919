// The kernel exception path, and the end of the road for packets that nobody wants. Called by the worker
// that has the packet.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Whether a port, any of them, has that address: configured, or its link-local one.
bool is_own_address(const Tables& tables, const IpAddress& address);

/// For a packet as it was received that is no service's: gives it to the kernel's tap of its port, where
/// the port has one and the packet is for an address of ours (rate_limited beyond the worker's budget),
/// else drops it no_service. Takes it over.
void punt(Worker& worker, rte_mbuf* packet);

/// Gives the kernel a copy of a neighbor packet that answers a question which may have been its own: an ARP
/// reply or a neighbor advertisement that came in at a port with a tap. The packet stays the caller's.
void copy_answer_to_kernel(Worker& worker, rte_mbuf* packet);

}  // namespace sluice::dataplane
