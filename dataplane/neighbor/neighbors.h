// ARP (RFC 826) and NDP (RFC 4861) of one worker: resolving, answering, and the Ethernet header that a
// packet leaves with. Every worker keeps its own cache; a neighbor packet that one receives is copied to
// the others over their rings, so that all learn and nobody shares.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/address.h"
#include "dataplane/device/transmit.h"
#include "dataplane/neighbor/address_defence.h"
#include "dataplane/neighbor/neighbor_cache.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/tables/drops.h"
#include "dataplane/tables/notice.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

class Neighbors {
 public:
  /// Frames for ARP and NDP are taken from `pool`. `seed` is secret: it keeps strangers from choosing where
  /// their addresses lie. `notices` outlive this.
  Neighbors(rte_mempool* pool, Drops& drops, Notices& notices, uint64_t seed);
  ~Neighbors();

  /// Takes over `packet`, whose data starts at its IP header, gives it the Ethernet header (and the VLAN
  /// tags) towards `next_hop` on `port`, and sends it; or, while the address is being resolved, keeps up to
  /// kMaxWaitingPackets for it and asks. What cannot be kept, or is not answered for, is dropped
  /// neighbor_unresolved.
  void send(const Tables& tables, uint16_t port, const IpAddress& next_hop, rte_mbuf* packet, uint32_t now_ms,
            Transmit& transmit);

  /// The address of a neighbor that is resolved and is about to be sent to, or null. It may be kept as long
  /// as version() stays the same, which is no longer than a second: by then it must be asked for again, so
  /// that neighbors in use are known from others (RFC 4861, 7.3).
  const MacAddress* mac_of(uint16_t port, const IpAddress& next_hop, uint32_t now_ms);
  /// The same; what is not resolved is asked for, as send() would, but nothing waits for the answer here.
  const MacAddress* mac_or_ask(const Tables& tables, uint16_t port, const IpAddress& next_hop,
                               uint32_t now_ms, Transmit& transmit);
  /// Changes with every address that changes or is forgotten, with new Tables, and each second. Never 0.
  uint32_t version() const { return cache_->version(); }
  /// Changes it, for another reason.
  void next_version() { cache_->next_version(); }

  /// Handles an ARP or NDP packet as the parser left it (PacketKind::kNeighbor). `received_here`: answer it
  /// too, where it asks for an address of ours (ports, VIPs, SNAT); else it is a copy to learn from. The
  /// packet is the caller's still. NDP with a hop limit other than 255 is ignored (RFC 4861, 7.1).
  void receive(const Tables& tables, rte_mbuf* packet, bool received_here, uint32_t now_ms,
               Transmit& transmit);

  /// Repeats unanswered requests, gives up after a few, ages entries; a few entries a call.
  void tick(const Tables& tables, uint32_t now_ms, Transmit& transmit);
  /// Takes over the static entries of new Tables and whom they protect (Tables::next_hop_addresses), and
  /// sends what waited for the static ones. Call it before the old Tables go.
  void adopt_static(const Tables& tables, uint32_t now_ms, Transmit& transmit);

  /// Drops every packet that waits, as neighbor_unresolved: the worker stops.
  void give_up();

  /// A consistent copy of the cache, for the control thread: entries are read under a sequence lock each.
  std::vector<NeighborRecord> snapshot() const;
  size_t size() const;

 private:
  /// That `address` is at `mac` (all zero: where it was), said by somebody on the link.
  struct Claim {
    uint16_t port;
    IpAddress address;
    MacAddress mac;
    bool solicited;  ///< says that it answers a question of ours
    bool overrides;  ///< asks to replace what is cached
  };
  /// send() to a neighbor whose MAC address is not known; `entry` may be null.
  void resolve(const Tables& tables, NeighborEntry* entry, uint16_t port, const IpAddress& next_hop,
               rte_mbuf* packet, uint32_t now_ms, Transmit& transmit);
  void ask(const Tables& tables, NeighborEntry& entry, uint32_t now_ms, Transmit& transmit);
  void receive_arp(const Tables& tables, std::span<const uint8_t> payload, uint16_t port, bool received_here,
                   uint32_t now_ms, Transmit& transmit);
  void receive_ndp(const Tables& tables, std::span<const uint8_t> packet, size_t icmp_offset,
                   const MacAddress& asker, uint16_t port, bool received_here, uint32_t now_ms,
                   Transmit& transmit);
  void learn(const Tables& tables, const Claim& claim, uint32_t now_ms, Transmit& transmit);
  void move(NeighborEntry& entry, const Claim& claim, uint32_t now_ms);
  void confirm(NeighborEntry& entry, uint32_t now_ms);
  void defend(const Tables& tables, const Claim& claim, bool received_here, uint32_t now_ms,
              Transmit& transmit);
  void age_stale(const Tables& tables, NeighborEntry& entry, uint32_t now_ms, Transmit& transmit);
  void age(const Tables& tables, NeighborEntry& entry, uint32_t now_ms, Transmit& transmit);

  std::unique_ptr<NeighborCache> cache_;
  rte_mempool* pool_;
  Drops& drops_;
  Notices& notices_;
  AddressDefence defence_;
  uint32_t last_tick_ms_ = 0;
  uint32_t tick_cursor_ = 0;
  uint8_t static_round_ = 0;
};

inline void Neighbors::send(const Tables& tables, uint16_t port, const IpAddress& next_hop, rte_mbuf* packet,
                            uint32_t now_ms, Transmit& transmit) {
  NeighborEntry* const entry = cache_->find(port, next_hop);
  if (entry == nullptr || !entry->record.own().has_mac()) [[unlikely]] {
    return resolve(tables, entry, port, next_hop, packet, now_ms, transmit);
  }
  entry->used_ms = now_ms;
  const PortView& view = tables.ports[port];
  const bool is_v4 = (*rte_pktmbuf_mtod(packet, const uint8_t*) >> 4) == 4;
  auto* const at =
      reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(packet, static_cast<uint16_t>(ethernet_bytes(view))));
  if (at == nullptr) [[unlikely]]
    return drops_.drop(packet, DropReason::kNoHeadroom);
  write_ethernet(at, view, entry->record.own().mac, is_v4 ? ether_type::kIpv4 : ether_type::kIpv6);
  transmit.send(port, packet);
}

}  // namespace sluice::dataplane
