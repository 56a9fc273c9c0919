// Ledger transactions leave the balancer's way here. Called by the worker that received them.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Hands every packet for an ingress to the hash worker of its source; what its ring does not take is
/// refused (5.03 where the framing can) and dropped ring_full. Returns the rest, moved to the front.
std::span<rte_mbuf*> submit(Worker& worker, std::span<rte_mbuf*> packets);

}  // namespace sluice::dataplane
