#include "dataplane/roles/topology.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::dataplane {
namespace {

BootConfig config(std::vector<unsigned> workers, std::vector<unsigned> lb_workers) {
  BootConfig result;
  result.workers = std::move(workers);
  result.lb_workers = std::move(lb_workers);
  return result;
}

PortPlan port(uint16_t device, uint16_t rx_queues, uint16_t tx_queues) {
  PortPlan plan;
  plan.device = device;
  plan.rx_queues = rx_queues;
  plan.tx_queues = tx_queues;
  return plan;
}

bool leads(const std::vector<Topology::Link>& links, unsigned from, unsigned to) {
  return std::any_of(links.begin(), links.end(),
                     [&](const auto& link) { return link.from == from && link.to == to; });
}

TEST(Topology, LetsWorkersBalanceWhereNobodyElseDoes) {
  const auto topology = plan_topology(config({3, 1}, {}), std::vector{port(0, 2, 2)});
  ASSERT_EQ(topology.runners.size(), 2u);
  EXPECT_EQ(topology.runners[0].cpu, 3u);
  EXPECT_EQ(topology.runners[1].cpu, 1u);
  for (unsigned i = 0; i < 2; ++i) {
    const WorkerPlace& place = topology.runners[i].place;
    EXPECT_EQ(place.index, i);
    EXPECT_EQ(place.balancer, i);
    EXPECT_EQ(place.balancers, 2u);
    EXPECT_EQ(place.rx_workers, 2u);
    EXPECT_TRUE(place.receives && place.balances);
    EXPECT_FALSE(place.owns_by_client);
  }
  EXPECT_EQ(topology.packet_rings.size(), 2u);
  EXPECT_TRUE(topology.transmit_rings.empty());
}

TEST(Topology, OwnsByClientWhereADeviceSplitsFlows) {
  std::vector<PortPlan> ports{port(0, 2, 2), port(1, 2, 2)};
  ports[1].splits_flows = true;
  for (const auto& runner : plan_topology(config({3, 1}, {}), ports).runners) {
    EXPECT_TRUE(runner.place.owns_by_client);
  }
}

TEST(Topology, SetsBalancersApart) {
  const auto topology = plan_topology(config({1}, {2, 3}), std::vector{port(0, 1, 3)});
  ASSERT_EQ(topology.runners.size(), 3u);
  EXPECT_TRUE(topology.runners[0].place.receives);
  EXPECT_FALSE(topology.runners[0].place.balances);
  EXPECT_TRUE(topology.runners[0].place.owns_by_client);
  EXPECT_FALSE(topology.runners[2].place.receives);
  EXPECT_TRUE(topology.runners[2].place.balances);
  EXPECT_EQ(topology.runners[2].place.balancer, 1u);
  EXPECT_EQ(topology.runners[2].place.balancers, 2u);
  EXPECT_EQ(topology.runners[2].cpu, 3u);
  EXPECT_TRUE(leads(topology.packet_rings, 0, 1) && leads(topology.packet_rings, 0, 2));
  EXPECT_TRUE(leads(topology.packet_rings, 1, 2) && leads(topology.packet_rings, 2, 1));
  EXPECT_FALSE(leads(topology.packet_rings, 1, 0)) << "nothing goes back to one that only receives";
  EXPECT_TRUE(topology.receive_queues[1].empty() && topology.receive_queues[2].empty());
}

TEST(Topology, DealsOutEveryQueueOnce) {
  const auto topology = plan_topology(config({0, 0}, {}), std::vector{port(7, 1, 2), port(8, 5, 2)});
  const auto& first = topology.receive_queues[0];
  const auto& second = topology.receive_queues[1];
  ASSERT_EQ(first.size(), 4u) << "the only queue of the first port, and 0, 2 and 4 of the second";
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(first[0].device, 7);
  EXPECT_EQ(first[0].port, 0);
  EXPECT_EQ(first[3].device, 8);
  EXPECT_EQ(first[3].queue, 4);
  EXPECT_EQ(second[0].queue, 1);
  EXPECT_EQ(second[1].queue, 3);
  EXPECT_EQ(second[1].port, 1);
}

TEST(Topology, FindsAWayOutForWorkersWithoutQueues) {
  const auto topology = plan_topology(config({0, 1, 2, 3, 4}, {}), std::vector{port(0, 5, 5), port(1, 5, 2)});
  ASSERT_EQ(topology.transmit_rings.size(), 3u);
  for (const auto& link : topology.transmit_rings) {
    EXPECT_GE(link.from, 2u);
    EXPECT_LT(link.to, 2u) << "has a queue on both devices";
  }
}

}  // namespace
}  // namespace sluice::dataplane
