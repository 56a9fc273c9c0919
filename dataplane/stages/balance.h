// Decides for TCP and UDP packets which backend, or client, they go to, and sends them there. Called by the
// worker that owns their flows.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Balances a burst of packets of kind kFlow, at most kBurst of them. The memory of a flow is cold when
/// there are many, so each of its two cache lines is asked for one pass before it is needed. Takes the
/// packets over.
void balance(Worker& worker, std::span<rte_mbuf* const> packets);

}  // namespace sluice::dataplane
