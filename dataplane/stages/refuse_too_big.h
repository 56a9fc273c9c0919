// What happens to a packet that does not fit where it would have to go. Called by the worker that has it.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Drops a bare IP packet too_big, and tells its sender the `mtu` that would have fitted: "fragmentation
/// needed" to one that set DF (RFC 1191), "packet too big" over IPv6 (RFC 4443 3.2), from the address that
/// it sent to. Nothing is said about ICMP errors, to what is no single host, or beyond the worker's budget.
void refuse_too_big(Worker& worker, rte_mbuf* packet, size_t mtu);

/// Makes of a bare IP packet, or of as much as is known of it, the ICMP error that tells its sender the
/// `mtu`, and sends that. False, with everything as it was: the sender does not ask, cannot be reached, or
/// the worker's budget is spent.
bool tell_too_big(Worker& worker, rte_mbuf* packet, size_t mtu);

}  // namespace sluice::dataplane
