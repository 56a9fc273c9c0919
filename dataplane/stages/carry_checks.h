// Health checks that go the way of a service's packets: out by the same forwarding, and their answers to the
// control thread. Called by a worker that balances.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Forwards what checks have waiting, a few packets a call. Returns how many.
unsigned send_checks(Worker& worker);

/// Takes a packet of kind kFlow, whose source is an address of ours, for the answer to a check: where it is
/// for a port's address and a check waits at its port. Then it is taken over; else false.
bool take_check_answer(Worker& worker, rte_mbuf* packet);

}  // namespace sluice::dataplane
