#include "dataplane/stages/steer.h"

#include <array>

#include "dataplane/stages/hand_by_target.h"
#include "dataplane/steering.h"

namespace sluice::dataplane {
namespace {

/// Copies share nothing with the original, so that each worker reads its own. A copy that there is no room
/// for is no loss: the packet itself has been learnt from.
void copy_to_all(Worker& worker, rte_mbuf* packet) {
  for (unsigned to = 0; to < worker.to_worker.size(); ++to) {
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
    worker.drops.drop(packet, DropReason::kRingFull);
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
