#include "dataplane/worker/packet_pool.h"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <algorithm>
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

}  // namespace

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

Result<rte_mempool*> make_packet_pool(const PoolSize& size, int numa_node) {
  const std::string name = "packets" + std::to_string(numa_node);
  const auto create = [&](int node) {
    return rte_pktmbuf_pool_create(name.c_str(), size.packets, kPoolCache, sizeof(PacketMeta), size.data_room,
                                   node);
  };
  rte_mempool* pool = create(numa_node);
  if (pool == nullptr) pool = create(-1);
  if (pool != nullptr) return pool;
  const unsigned long bytes = (sizeof(rte_mbuf) + sizeof(PacketMeta) + size.data_room) * 1ul * size.packets;
  return fail("not enough memory for " + std::to_string(size.packets) + " packet buffers (" +
                  std::to_string((bytes >> 20) + 1) + " MiB): " + rte_strerror(rte_errno) +
                  "; reserve more huge pages, or raise \"-m\" in gateway.eal",
              "/gateway/eal");
}

}  // namespace sluice::dataplane
