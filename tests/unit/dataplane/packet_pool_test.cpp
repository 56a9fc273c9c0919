#include "dataplane/worker/packet_pool.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <vector>

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

}  // namespace
}  // namespace sluice::dataplane
