// The way out of ESP tunnels, and what keeps everything else from looking as if it had come by one. Called by
// the worker that received the packets, where there are tunnels.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Of parsed packets, takes those of tunnels out: decrypted, each goes on as the packet that was in it, as if
/// that had come in alone; or it is dropped `denied` and counted at its tunnel. Drops those that come from
/// where a tunnel leads to, and not by it. Returns what goes on, moved to the front.
std::span<rte_mbuf*> decapsulate(Worker& worker, std::span<rte_mbuf*> packets);

/// forward_known_flows(), which asks nobody where packets are from: those that a tunnel leads to are kept
/// from it.
std::span<rte_mbuf*> forward_known_in_clear(Worker& worker, uint8_t port, std::span<rte_mbuf*> frames);

}  // namespace sluice::dataplane
