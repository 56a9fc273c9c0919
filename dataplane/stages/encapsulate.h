// The way into ESP tunnels (RFC 4303, tunnel mode). Called by the worker that has the packet.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// What lies in front of a packet that the short ways send by Transmit::kTunnels, in the place of an Ethernet
/// header: for whom it is, and 1 + the place of its tunnel.
struct TunnelMark {
  lb::ServiceId service;
  lb::BackendId backend;
  uint16_t tunnel;
  uint8_t unused[6];
};
static_assert(sizeof(TunnelMark) == 16 && sizeof(TunnelMark) <= LinkHeader::kMostBytes);

/// Takes what the short ways have sent by Transmit::kTunnels where encapsulate() takes others: after each
/// burst, and before anything else of its flows goes there. `in_port`: by which all of it came in, where its
/// metadata were not written.
void encapsulate_marked(Worker& worker, std::optional<uint8_t> in_port);

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
