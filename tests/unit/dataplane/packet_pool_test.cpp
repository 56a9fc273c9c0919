#include "dataplane/worker/packet_pool.h"

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tests/support/test_gateway.h"

namespace sluice::dataplane {
namespace {

PortPlan port(uint16_t queues, uint16_t descriptors) {
  PortPlan plan;
  plan.rx_queues = plan.tx_queues = queues;
  plan.rx_descriptors = plan.tx_descriptors = descriptors;
  return plan;
}

TEST(PoolSize, FillsEveryDescriptorAndRingAtOnce) {
  const std::vector ports = {port(2, 1024), port(2, 512)};
  const auto without_rings = pool_size(ports, 2, 0, 1500);
  EXPECT_GE(without_rings.packets, 2u * 2 * 1024 + 2u * 2 * 512);
  EXPECT_EQ(pool_size(ports, 2, 6 * 512, 1500).packets - without_rings.packets, 6u * 512);
  EXPECT_GT(pool_size(ports, 3, 0, 1500).packets, without_rings.packets);
}

TEST(PoolSize, HoldsAFrameInOneSegment) {
  const std::vector ports = {port(1, 64)};
  constexpr unsigned kFrameOverhead = 6 + 6 + 2 + 4 + 4 + 4;  // MAC addresses, type, two tags, FCS
  EXPECT_EQ(pool_size(ports, 1, 0, 1500).data_room, 2048 + RTE_PKTMBUF_HEADROOM);
  for (const uint16_t mtu : {2022, 2023, 9000, 9600}) {
    EXPECT_GE(pool_size(ports, 1, 0, mtu).data_room, mtu + kFrameOverhead + RTE_PKTMBUF_HEADROOM) << mtu;
  }
}

/// The buffers of a pool, in the order of their addresses.
std::vector<const rte_mbuf*> buffers_of(rte_mempool* pool) {
  std::vector<const rte_mbuf*> buffers;
  rte_mempool_obj_iter(
      pool,
      [](rte_mempool*, void* found, void* buffer, unsigned) {
        static_cast<std::vector<const rte_mbuf*>*>(found)->push_back(static_cast<const rte_mbuf*>(buffer));
      },
      &buffers);
  std::ranges::sort(buffers);
  return buffers;
}

TEST(PacketBuffers, FollowEachOtherWhereThereAreNoHugePages) {
  const test::TestGateway started_eal(test::make_tables({}));
  ASSERT_EQ(rte_eal_has_hugepages(), 0);
  constexpr uint16_t kRoom = 2048 + RTE_PKTMBUF_HEADROOM;
  rte_mempool* const pool = create_buffers("dense", {100, kRoom}, 0, SOCKET_ID_ANY);
  ASSERT_NE(pool, nullptr);
  const auto buffers = buffers_of(pool);
  ASSERT_EQ(buffers.size(), 100u);
  std::set<uintptr_t> places;  // within a page
  for (const rte_mbuf* buffer : buffers) {
    places.insert(reinterpret_cast<uintptr_t>(buffer) % 4096);
    EXPECT_EQ(buffer->buf_len, kRoom);
    EXPECT_EQ(rte_pktmbuf_priv_size(pool), sizeof(PacketMeta));
    EXPECT_EQ(buffer->buf_addr, reinterpret_cast<const uint8_t*>(buffer + 1) + sizeof(PacketMeta));
    if (rte_eal_iova_mode() == RTE_IOVA_VA) {
      EXPECT_EQ(buffer->buf_iova, reinterpret_cast<uintptr_t>(buffer->buf_addr));
    }
  }
  EXPECT_GT(places.size(), 30u);  // else their headers, and their frames, share one set of the CPU's cache
  std::vector<rte_mbuf*> taken(100);
  EXPECT_EQ(rte_pktmbuf_alloc_bulk(pool, taken.data(), 100), 0);
  EXPECT_EQ(rte_pktmbuf_alloc(pool), nullptr);
  rte_pktmbuf_free_bulk(taken.data(), 100);
  rte_mempool_free(pool);
}

TEST(PacketBuffers, SayWhyTheyAreNone) {
  const test::TestGateway started_eal(test::make_tables({}));
  EXPECT_EQ(create_buffers("too many", {10'000'000, 2048}, 0, SOCKET_ID_ANY), nullptr);
  EXPECT_EQ(rte_errno, ENOMEM);
  rte_mempool* const pool =
      create_buffers("too many", {10, 2048}, 0, SOCKET_ID_ANY);  // nothing is left of it
  EXPECT_NE(pool, nullptr);
  rte_mempool_free(pool);
}

}  // namespace
}  // namespace sluice::dataplane
