// The way into ESP tunnels (RFC 4303, tunnel mode). Called by the worker that has the packet.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Takes over a bare IP packet that leaves by a tunnel, 1 + its place in TunnelTables. It is encrypted and
/// sent before the worker's poll ends, or dropped `denied`, and counted at the tunnel.
void encapsulate(Worker& worker, uint16_t tunnel, rte_mbuf* packet);

/// How large a packet that enters it may be.
size_t tunnel_mtu(const Worker& worker, uint16_t tunnel);

}  // namespace sluice::dataplane
