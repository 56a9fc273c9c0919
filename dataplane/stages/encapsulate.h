// The way into ESP tunnels (RFC 4303, tunnel mode). Called by the worker that has the packet.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// What the short ways write in front of a packet that they send by Transmit::kTunnels, in the place of an
/// Ethernet header.
struct TunnelMark {
  lb::ServiceId service;  ///< that the packet is for, as its backend
  lb::BackendId backend;
  uint16_t tunnel;  ///< 1 + its place in TunnelTables
  uint8_t unused[6];
};
static_assert(sizeof(TunnelMark) == 16 && sizeof(TunnelMark) <= LinkHeader::kMostBytes);

/// Does with what the short ways have sent by Transmit::kTunnels what encapsulate() does with other packets.
/// Call it after each burst, and before encapsulate() gets another packet of their flows, so that these stay
/// in order. `in_port`: where all of these packets came in, if their metadata were not written; else nothing.
void encapsulate_marked(Worker& worker, std::optional<uint8_t> in_port);

/// Takes over an IP packet without link header that leaves by a tunnel, 1 + its place in TunnelTables. It is
/// encrypted and sent by send_encrypted(), or dropped as `denied` and counted at the tunnel.
void encapsulate(Worker& worker, uint16_t tunnel, rte_mbuf* packet);

/// Encrypts and sends what encapsulate() has taken. Once per poll, before Transmit::flush(). A packet that
/// cannot leave now, since its next hop is being resolved or another worker is about to send lower numbers,
/// waits for the next poll, and so do all packets of its tunnel behind it, so that these stay in order.
void send_encrypted(Worker& worker);

/// encapsulate() for a packet that another worker gave to Transmit::hand_over_plaintext(). Takes it over.
void encapsulate_handed_over(Worker& worker, rte_mbuf* packet);

/// After new Tables were adopted: packets that wait get the tunnels of these Tables, or are dropped.
void find_tunnels_anew(Worker& worker);

/// Drops the packets that wait, since the worker stops.
void give_up_tunnels(Worker& worker);

/// The size in bytes of the largest IP packet that a tunnel takes.
size_t tunnel_mtu(const Worker& worker, uint16_t tunnel);

}  // namespace sluice::dataplane
