#include "dataplane/worker/packet_pool.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memzone.h>

#include <algorithm>
#include <memory>
#include <string>

#include "dataplane/base/packet.h"
#include "dataplane/inspect/held_segments.h"
#include "dataplane/neighbor/neighbor_cache.h"
#include "dataplane/packet/parser.h"
#include "dataplane/tables/tables.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kPoolCache = 256;       ///< packets that each worker keeps to itself
constexpr unsigned kUsualDataRoom = 2048;  ///< what drivers split into if it were less

struct FreeZone {
  void operator()(const rte_memzone* zone) const { rte_memzone_free(zone); }
};
struct FreePool {
  void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};

/// What rte_pktmbuf_pool_create() does, but with buffers that follow each other whatever pages they lie in.
/// Without huge pages that function would give each buffer of more than half a page one of its own, for
/// devices that read physical memory, of which there are none then. All buffers would begin at the same place
/// of a page, and so all their headers, and all frames, would lie in the same few lines of the CPU's caches:
/// 14 ns for each packet, as measured (docs/decisions/0045).
rte_mempool* create_dense(const char* name, const PoolSize& size, unsigned cache, int numa_node) {
  constexpr size_t kBesides = sizeof(rte_mbuf) + sizeof(PacketMeta);
  std::unique_ptr<rte_mempool, FreePool> pool(
      rte_mempool_create_empty(name, size.packets, static_cast<unsigned>(kBesides + size.data_room), cache,
                               sizeof(rte_pktmbuf_pool_private), numa_node, RTE_MEMPOOL_F_NO_IOVA_CONTIG));
  if (pool == nullptr) return nullptr;
  if (const int error = rte_mempool_set_ops_byname(pool.get(), rte_mbuf_best_mempool_ops(), nullptr);
      error != 0) {
    rte_errno = -error;
    return nullptr;
  }
  rte_pktmbuf_pool_private room{};
  room.mbuf_data_room_size = size.data_room;
  room.mbuf_priv_size = sizeof(PacketMeta);
  rte_pktmbuf_pool_init(pool.get(), &room);

  const size_t bytes = size_t{rte_mempool_calc_obj_size(pool->elt_size, pool->flags, nullptr)} * size.packets;
  std::unique_ptr<const rte_memzone, FreeZone> zone(
      rte_memzone_reserve(name, bytes + RTE_CACHE_LINE_SIZE, numa_node, 0));
  if (zone == nullptr) return nullptr;
  const rte_iova_t address = rte_eal_iova_mode() == RTE_IOVA_VA ? zone->iova : RTE_BAD_IOVA;
  const int added = rte_mempool_populate_iova(
      pool.get(), static_cast<char*>(zone->addr), address, zone->len,
      [](rte_mempool_memhdr*, void* given) { rte_memzone_free(static_cast<const rte_memzone*>(given)); },
      const_cast<rte_memzone*>(zone.get()));
  if (added > 0) zone.release();
  if (added != static_cast<int>(size.packets)) {
    rte_errno = added < 0 ? -added : ENOMEM;
    return nullptr;
  }
  rte_mempool_obj_iter(pool.get(), rte_pktmbuf_init, nullptr);
  return pool.release();
}

}  // namespace

rte_mempool* create_buffers(const char* name, const PoolSize& size, unsigned cache, int numa_node) {
  if (rte_eal_has_hugepages() == 0) return create_dense(name, size, cache, numa_node);
  return rte_pktmbuf_pool_create(name, size.packets, cache, sizeof(PacketMeta), size.data_room, numa_node);
}

PoolSize pool_size(std::span<const PortPlan> ports, unsigned workers, unsigned in_rings,
                   uint16_t largest_mtu) {
  unsigned packets = in_rings;
  for (const PortPlan& port : ports) {
    packets += port.rx_queues * port.rx_descriptors + port.tx_queues * port.tx_descriptors;
  }
  const auto port_count = static_cast<unsigned>(ports.size());
  packets += workers * (2 * kPoolCache + port_count * (kBurst + 2 * Transmit::kBuffer) +
                        NeighborCache::kWaitingSlots + HeldSegments::kMost);
  constexpr unsigned kTagBytes = (kMaxVlanTags + kMaxPriorityTags) * sizeof(VlanHeader);
  const unsigned frame = largest_mtu + RTE_ETHER_HDR_LEN + kTagBytes + RTE_ETHER_CRC_LEN;
  const unsigned room = std::max(kUsualDataRoom, (frame + 63) / 64 * 64) + RTE_PKTMBUF_HEADROOM;
  return {packets, static_cast<uint16_t>(std::min<unsigned>(room, UINT16_MAX))};
}

Result<rte_mempool*> make_packet_pool(const PoolSize& size, int numa_node, uint16_t device) {
  const std::string name = "packets" + std::to_string(numa_node) + "_" + std::to_string(device);
  rte_mempool* pool = create_buffers(name.c_str(), size, kPoolCache, numa_node);
  if (pool == nullptr) pool = create_buffers(name.c_str(), size, kPoolCache, -1);
  if (pool != nullptr) return pool;
  const unsigned long bytes = (sizeof(rte_mbuf) + sizeof(PacketMeta) + size.data_room) * 1ul * size.packets;
  return fail("not enough memory for " + std::to_string(size.packets) + " packet buffers (" +
                  std::to_string((bytes >> 20) + 1) + " MiB): " + rte_strerror(rte_errno) +
                  "; reserve more huge pages, or raise \"-m\" in gateway.eal",
              "/gateway/eal");
}

}  // namespace sluice::dataplane
