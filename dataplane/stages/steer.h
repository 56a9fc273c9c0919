// Hands packets to the workers that own their flows. Called by the worker that received them.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Sends every packet of another worker's over the ring to it (dropped ring_full where that is full), and a
/// copy of every neighbor packet to all. Returns the packets that stay, moved to the front.
std::span<rte_mbuf*> steer(Worker& worker, std::span<rte_mbuf*> packets);

/// Hands `packets` to worker number `to`.
void hand_over(Worker& worker, unsigned to, std::span<rte_mbuf* const> packets);

}  // namespace sluice::dataplane
