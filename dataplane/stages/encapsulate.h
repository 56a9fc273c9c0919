// The way into ESP tunnels (RFC 4303, tunnel mode). Called by the worker that has the packet.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Takes over a bare IP packet that leaves by a tunnel, 1 + its place in TunnelTables. It is encrypted and
/// sent by send_encrypted(), or dropped `denied`, and counted at the tunnel.
void encapsulate(Worker& worker, uint16_t tunnel, rte_mbuf* packet);

/// Encrypts and sends what encapsulate() has taken. Once per poll, before Transmit::flush(). What cannot
/// leave now, for its next hop is being resolved or another worker is about to send lower numbers, waits for
/// the next time, and all behind it of that tunnel, so that they stay in their order.
void send_encrypted(Worker& worker);

/// For a bare packet that another worker handed over to be encrypted (Transmit::hand_over_bare). Takes it
/// over.
void encapsulate_handed_over(Worker& worker, rte_mbuf* packet);

/// After new Tables were adopted: what waits goes by these.
void find_tunnels_anew(Worker& worker);

/// Drops what waits: the worker stops.
void give_up_tunnels(Worker& worker);

/// How large a packet that enters a tunnel may be.
size_t tunnel_mtu(const Worker& worker, uint16_t tunnel);

}  // namespace sluice::dataplane
