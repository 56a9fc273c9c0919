// The way out of ESP tunnels, and the check that nothing else has a source that only a tunnel can bring.
// Called by the worker that received the packets, where there are tunnels.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/stages/receive.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Decrypts those parsed packets, which came in at `port`, that are a tunnel's: each goes on as the packet
/// that was inside, as if that had come in alone: it is sent if its flow is known, else parsed; or it is
/// dropped as `denied` and counted at its tunnel. Drops packets that came without a tunnel though a tunnel
/// leads to their source. Returns what goes on, moved to the front, in its order.
std::span<rte_mbuf*> decapsulate(Worker& worker, uint8_t port, std::span<rte_mbuf*> packets);

/// forward_known_flows() where there are tunnels. That does not look at sources, so packets from an address
/// that a tunnel may lead to are left out of it, for decapsulate().
LeftFrames forward_known_in_clear(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

}  // namespace sluice::dataplane
