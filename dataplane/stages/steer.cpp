#include "dataplane/stages/steer.h"

#include <array>

#include "dataplane/packet/icmp.h"
#include "dataplane/stages/hand_by_target.h"
#include "dataplane/worker/steering.h"

namespace sluice::dataplane {
namespace {

bool is_listener_query(const rte_mbuf* packet, const PacketMeta& meta) {
  return meta.l4_offset > meta.l3_offset &&
         rte_pktmbuf_mtod(packet, const uint8_t*)[meta.l4_offset] == icmpv6_type::kListenerQuery;
}

/// Which budget a neighbor packet's copies come from.
TokenBucket& copy_budget(Worker& worker, const rte_mbuf* packet, const PacketMeta& meta) {
  const auto* const bytes = rte_pktmbuf_mtod(packet, const uint8_t*);
  IpAddress said_of;
  if (meta.l4_offset == meta.l3_offset) {  // ARP, of which the parser has seen that it is whole
    said_of = IpAddress::v4(load<ArpHeader>(bytes + meta.l3_offset).sender_address);
  } else if (is_listener_query(packet, meta)) {
    return worker.neighbor_copies.queries;
  } else if (bytes[meta.l4_offset] == icmpv6_type::kNeighborAdvertisement &&
             meta.l4_offset + sizeof(IcmpHeader) + sizeof(IpAddress) <= packet->data_len) {
    said_of = IpAddress::v6(bytes + meta.l4_offset + sizeof(IcmpHeader));
  }
  const auto& next_hops = worker.tables->next_hop_addresses;
  const bool is_next_hop = next_hops != nullptr && next_hops->contains(said_of);
  return is_next_hop ? worker.neighbor_copies.of_next_hops : worker.neighbor_copies.of_others;
}

/// Copies share nothing with the original, so that each worker reads its own. A copy that there is no room
/// for is no loss: the packet itself has been learnt from, and whoever needs it asks again.
void copy_to_all(Worker& worker, rte_mbuf* packet) {
  const bool is_query = is_listener_query(packet, meta_of(packet));
  if (is_query && worker.place.index == 0) return;  // it alone reports
  if (!copy_budget(worker, packet, meta_of(packet)).take(worker.now_ms)) {
    return worker.stats.neighbor_copies_withheld.add();
  }
  const size_t end = is_query ? 1 : worker.to_worker.size();
  for (unsigned to = 0; to < end; ++to) {
    if (worker.to_worker[to] == nullptr) continue;
    rte_mbuf* copy = rte_pktmbuf_copy(packet, worker.pool, 0, UINT32_MAX);
    if (copy == nullptr) return;
    worker.stats.originated.add();
    meta_of(copy) = meta_of(packet);
    meta_of(copy).hops = 1;
    if (!worker.to_worker[to]->push(copy)) worker.drops.discard(copy);
  }
}

}  // namespace

void hand_over(Worker& worker, unsigned to, std::span<rte_mbuf* const> packets) {
  const size_t taken = worker.to_worker[to]->push(packets);
  for (rte_mbuf* packet : packets.subspan(taken)) {
    worker.stats.ring_full.add();
    worker.drops.drop(packet, DropReason::kRingFull, DropDetail::kWorkerRingFull);
  }
}

std::span<rte_mbuf*> steer(Worker& worker, std::span<rte_mbuf*> packets) {
  if (worker.to_worker.size() <= 1) return packets;  // alone
  std::array<uint16_t, kBurst> target;
  std::array<rte_mbuf*, kBurst> leaving;
  size_t staying = 0, left = 0;
  for (rte_mbuf* packet : packets) {
    const PacketMeta& meta = meta_of(packet);
    if (meta.kind == PacketKind::kNeighbor) copy_to_all(worker, packet);
    const unsigned to = worker_for(*worker.tables, worker.place, meta);
    if (to == worker.place.index) {
      packets[staying++] = packet;
    } else {
      target[left] = static_cast<uint16_t>(to);
      leaving[left++] = packet;
    }
  }
  hand_by_target(std::span(leaving).first(left), std::span(target).first(left),
                 [&](unsigned to, std::span<rte_mbuf* const> together) { hand_over(worker, to, together); });
  return packets.first(staying);
}

}  // namespace sluice::dataplane
