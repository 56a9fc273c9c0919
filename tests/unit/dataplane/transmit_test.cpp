#include "dataplane/device/transmit.h"

#include <gtest/gtest.h>

#include "tests/support/test_gateway.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using Frames = std::vector<Bytes>;
using test::kCore;
using test::kEdge;

/// The worker of a TestGateway has a TX queue on every device; here a second Transmit stands for one that
/// has none.
class TransmitTest : public testing::Test {
 protected:
  TransmitTest() : gateway_(test::make_tables({})) {}

  rte_mbuf* frame(uint8_t fill, size_t size = 60) {
    rte_mbuf* const packet = rte_pktmbuf_alloc(gateway_.worker().pool);
    std::memset(rte_pktmbuf_append(packet, static_cast<uint16_t>(size)), fill, size);
    return packet;
  }

  test::TestGateway gateway_;
  WorkerStats stats_;
  Drops drops_{stats_};
  SpscRing<rte_mbuf*> ring_{64};
};

TEST_F(TransmitTest, SendsInOrderAndCountsFramesWithoutFcs) {
  Transmit& transmit = gateway_.worker().transmit;
  std::vector<Bytes> expected;
  for (uint8_t i = 0; i < 150; ++i) {
    transmit.send(kEdge, frame(i, 60u + i));
    expected.push_back(Bytes(60u + i, i));
  }
  transmit.flush();
  EXPECT_EQ(gateway_.sent(kEdge), expected);
  EXPECT_TRUE(gateway_.sent(kCore).empty());
  const PortCounters& counters = gateway_.worker().stats.ports[kEdge];
  EXPECT_EQ(counters.transmitted_packets.read(), 150u);
  EXPECT_EQ(counters.transmitted_bytes.read(), 150u * 60 + 149u * 150 / 2);
}

TEST_F(TransmitTest, CountsWhatTheKernelGetsAsConsumed) {
  gateway_.worker().transmit.send_to_kernel(kCore, frame(1));
  gateway_.worker().transmit.flush();
  EXPECT_EQ(gateway_.sent_to_kernel(kCore), Frames{Bytes(60, 1)});
  EXPECT_EQ(gateway_.consumed(), 1u);
  EXPECT_EQ(gateway_.transmitted(), 0u);
}

TEST_F(TransmitTest, DropsWhatALinkThatIsDownWouldLose) {
  std::atomic<bool> link_up{false};
  const std::vector<TransmitDevice> ports(2, {0, 1, &link_up});
  Transmit transmit(ports, ports, 0, nullptr, drops_, stats_);
  transmit.send(kEdge, frame(1));
  transmit.flush();
  EXPECT_EQ(stats_.dropped[static_cast<size_t>(DropReason::kTxFull)].read(), 1u);
  EXPECT_EQ(stats_.ports[kEdge].transmitted_packets.read(), 0u);
  drops_.free_pending();
  EXPECT_EQ(gateway_.buffers_in_use(), 0u);
  link_up = true;
  transmit.send(kEdge, frame(2));
  transmit.flush();
  EXPECT_EQ(stats_.ports[kEdge].transmitted_packets.read(), 1u);
}

TEST_F(TransmitTest, GivesFramesToOneThatHasAQueue) {
  const std::vector<TransmitDevice> one_queue(2, {0, 1});
  Transmit without(one_queue, one_queue, 1, &ring_, drops_, stats_);
  without.send(kCore, frame(7));
  without.send_to_kernel(kEdge, frame(8));
  without.flush();
  EXPECT_EQ(ring_.size(), 2u);
  rte_mbuf* relayed;
  while (ring_.pop({&relayed, 1}) == 1) gateway_.worker().transmit.relay(relayed);
  gateway_.worker().transmit.flush();
  EXPECT_EQ(gateway_.sent(kCore), Frames{Bytes(60, 7)});
  EXPECT_EQ(gateway_.sent_to_kernel(kEdge), Frames{Bytes(60, 8)});
  EXPECT_EQ(stats_.ports[kCore].transmitted_packets.read(), 0u) << "counted by who sends it";
}

TEST_F(TransmitTest, DropsWhatAFullRingDoesNotTake) {
  const std::vector<TransmitDevice> one_queue(2, {0, 1});
  Transmit without(one_queue, one_queue, 1, &ring_, drops_, stats_);
  for (unsigned i = 0; i < 70; ++i) without.send(kEdge, frame(0));
  without.flush();
  drops_.free_pending();
  EXPECT_EQ(stats_.dropped[static_cast<size_t>(DropReason::kRingFull)].read(), 6u);
  EXPECT_EQ(stats_.ring_full.read(), 6u);
  rte_mbuf* taken;
  while (ring_.pop({&taken, 1}) == 1) rte_pktmbuf_free(taken);
  EXPECT_EQ(gateway_.buffers_in_use(), 0u);
}

TEST_F(TransmitTest, DropsWhatAFullDeviceDoesNotTake) {
  constexpr unsigned kDeviceRoom = 1023;  // of the ring behind a TestGateway's port
  for (unsigned i = 0; i < kDeviceRoom + 10; ++i) gateway_.worker().transmit.send(kEdge, frame(0));
  gateway_.worker().transmit.flush();
  EXPECT_EQ(gateway_.dropped(DropReason::kTxFull), 10u);
  EXPECT_EQ(gateway_.transmitted(), kDeviceRoom);
}

TEST_F(TransmitTest, HasNoKernelWithoutATap) {
  const std::vector<TransmitDevice> devices(1, {0, 1});
  Transmit without_tap(devices, {}, 0, nullptr, drops_, stats_);
  without_tap.send_to_kernel(kEdge, frame(0));
  drops_.free_pending();
  EXPECT_EQ(stats_.dropped[static_cast<size_t>(DropReason::kNoService)].read(), 1u);
}

}  // namespace
}  // namespace sluice::dataplane
