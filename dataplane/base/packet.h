// What Sluice knows of a packet while it is in the gateway: one cache line in the mbuf's private area,
// filled by the parser, read by every later stage, on whichever worker the packet is.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "common/flow_key.h"

namespace sluice::dataplane {

/// What the parser found, which decides the way through steering.
enum class PacketKind : uint8_t {
  kFlow,       ///< TCP or UDP
  kIcmpError,  ///< ICMP or ICMPv6 error; `key` is the quoted packet's
  kEcho,       ///< ICMP or ICMPv6 echo request
  kNeighbor,   ///< ARP, an NDP neighbor solicitation or advertisement, or an MLD query
  kOther,      ///< any other IP packet: the kernel's, if this port has one for its address, or nobody's
};

struct alignas(64) PacketMeta {
  FlowKey key;             ///< ports zero where there are none
  uint64_t flow_hash = 0;  ///< FlowTable::hash(key), 0 until it is made; not once it is bound
  uint16_t ip_bytes = 0;   ///< IPv4 total length, or IPv6 header and payload: the frame may be padded beyond
  uint16_t l4_offset = 0;  ///< from the start of the frame
  uint8_t l3_offset = 0;   ///< from the start of the frame: Ethernet and VLAN headers
  uint8_t in_port = 0;
  uint8_t tcp_flags = 0;
  PacketKind kind = PacketKind::kOther;
  uint8_t hops = 0;               ///< how many workers have handed it on (an ICMP error looking for its flow)
  uint8_t ingress = 0;            ///< of a ledger transaction: its place in Tables::ingress
  uint8_t received_by = 0;        ///< of a ledger transaction: the worker that answers by
  bool is_bound = false;          ///< it is for the service and the backend that bind() was told
  uint16_t link_stripped_at = 0;  ///< mbuf data_off where the IP header became its first byte; 0: it did not
  uint16_t tunnel = 0;  ///< of a bare packet on its way to encryption: 1 + its place in TunnelTables

  bool is_v4() const { return key.source.is_v4(); }
  /// What was decided for it. The hash has served by then.
  void bind(uint32_t service, uint32_t backend) {
    flow_hash = uint64_t{backend} << 32 | service;
    is_bound = true;
  }
  uint32_t bound_service() const { return static_cast<uint32_t>(flow_hash); }
  uint32_t bound_backend() const { return static_cast<uint32_t>(flow_hash >> 32); }
};
static_assert(sizeof(PacketMeta) == 64);

/// Mbuf pools are made with exactly this private size.
inline PacketMeta& meta_of(rte_mbuf* packet) {
  return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}

/// Room in front of a frame for what Sluice may add: the largest outer header (IPv6 40 + UDP 8), and the
/// difference of two VLAN tags.
inline constexpr unsigned kMaxAddedHeaders = 40 + 8 + 8;
static_assert(kMaxAddedHeaders <= RTE_PKTMBUF_HEADROOM);

}  // namespace sluice::dataplane
