#include "dataplane/roles/topology.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::dataplane {
namespace {

BootConfig with_workers(std::vector<unsigned> workers, std::vector<unsigned> lb_workers) {
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

/// How many rings of one use lead from one thread to another, by the threads' names.
long rings(const Topology& topology, RingUse use, const std::string& from, const std::string& to) {
  return std::count_if(topology.rings.begin(), topology.rings.end(), [&](const Ring& ring) {
    return ring.use == use && topology.threads[ring.from].name() == from &&
           topology.threads[ring.to].name() == to;
  });
}

long rings(const Topology& topology, RingUse use) {
  return std::count_if(topology.rings.begin(), topology.rings.end(),
                       [use](const Ring& ring) { return ring.use == use; });
}

std::vector<std::string> names(const Topology& topology) {
  std::vector<std::string> names;
  for (const Thread& thread : topology.threads) names.push_back(thread.name());
  return names;
}

TEST(Topology, LetsWorkersBalanceWhereNobodyElseDoes) {
  const auto topology = plan_topology(with_workers({3, 1}, {}), std::vector{port(0, 2, 2)});
  ASSERT_EQ(names(topology), (std::vector<std::string>{"control", "worker 0", "worker 1"}));
  EXPECT_EQ(topology.threads[0].cpu, std::nullopt);
  EXPECT_EQ(topology.threads[1].cpu, 3u);
  EXPECT_EQ(topology.threads[2].cpu, 1u);
  for (unsigned i = 0; i < 2; ++i) {
    const WorkerPlace& place = topology.places[i];
    EXPECT_EQ(place.index, i);
    EXPECT_EQ(place.balancer, i);
    EXPECT_EQ(place.balancers, 2u);
    EXPECT_EQ(place.rx_workers, 2u);
    EXPECT_TRUE(place.receives && place.balances);
    EXPECT_FALSE(place.owns_by_client);
  }
  EXPECT_EQ(rings(topology, RingUse::kPackets), 2);
  EXPECT_EQ(rings(topology, RingUse::kFrames), 0);
  for (const std::string worker : {"worker 0", "worker 1"}) {
    EXPECT_EQ(rings(topology, RingUse::kQuestions, "control", worker), 1);
    EXPECT_EQ(rings(topology, RingUse::kNotices, worker, "control"), 1);
  }
}

TEST(Topology, OwnsByClientWhereADeviceSplitsFlows) {
  std::vector<PortPlan> ports{port(0, 2, 2), port(1, 2, 2)};
  ports[1].splits_flows = true;
  for (const auto& place : plan_topology(with_workers({3, 1}, {}), ports).places) {
    EXPECT_TRUE(place.owns_by_client);
  }
}

TEST(Topology, SetsBalancersApart) {
  const auto topology = plan_topology(with_workers({1}, {2, 3}), std::vector{port(0, 1, 3)});
  ASSERT_EQ(names(topology), (std::vector<std::string>{"control", "worker 0", "lb_worker 0", "lb_worker 1"}));
  EXPECT_TRUE(topology.places[0].receives);
  EXPECT_FALSE(topology.places[0].balances);
  EXPECT_TRUE(topology.places[0].owns_by_client);
  EXPECT_FALSE(topology.places[2].receives);
  EXPECT_TRUE(topology.places[2].balances);
  EXPECT_EQ(topology.places[2].balancer, 1u);
  EXPECT_EQ(topology.places[2].balancers, 2u);
  EXPECT_EQ(topology.threads[3].cpu, 3u);
  EXPECT_EQ(rings(topology, RingUse::kPackets, "worker 0", "lb_worker 0"), 1);
  EXPECT_EQ(rings(topology, RingUse::kPackets, "worker 0", "lb_worker 1"), 1);
  EXPECT_EQ(rings(topology, RingUse::kPackets, "lb_worker 0", "lb_worker 1"), 1);
  EXPECT_EQ(rings(topology, RingUse::kPackets, "lb_worker 1", "lb_worker 0"), 1);
  EXPECT_EQ(rings(topology, RingUse::kPackets), 4) << "nothing goes back to one that only receives";
  EXPECT_TRUE(topology.receive_queues[1].empty() && topology.receive_queues[2].empty());
}

TEST(Topology, DealsOutEveryQueueOnce) {
  const auto topology = plan_topology(with_workers({0, 0}, {}), std::vector{port(7, 1, 2), port(8, 5, 2)});
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
  const auto topology =
      plan_topology(with_workers({0, 1, 2, 3, 4}, {}), std::vector{port(0, 5, 5), port(1, 5, 2)});
  for (const std::string from : {"worker 2", "worker 3", "worker 4"}) {
    const long ways = rings(topology, RingUse::kFrames, from, "worker 0") +
                      rings(topology, RingUse::kFrames, from, "worker 1");
    EXPECT_EQ(ways, 1) << from << ": those two have a queue on both devices";
  }
  EXPECT_EQ(rings(topology, RingUse::kFrames), 3);
}

TEST(Topology, GivesTheLedgerItsThreadsAndRings) {
  BootConfig with_ledger = with_workers({1, 2}, {});
  with_ledger.ledger.emplace();
  with_ledger.hash_workers = {4};
  const auto topology = plan_topology(with_ledger, std::vector{port(0, 2, 2)});
  EXPECT_EQ(names(topology), (std::vector<std::string>{"control", "worker 0", "worker 1", "hash_worker 0",
                                                       "journal", "journal_sync", "checkpoint_sync"}));
  EXPECT_FALSE(topology.hashes_in_place());
  EXPECT_EQ(topology.hash_threads, std::vector<unsigned>{3});
  EXPECT_EQ(topology.threads[3].cpu, 4u);
  EXPECT_EQ(topology.threads[4].cpu, std::nullopt);
  for (const std::string worker : {"worker 0", "worker 1"}) {
    EXPECT_EQ(rings(topology, RingUse::kTransactions, worker, "hash_worker 0"), 1);
    EXPECT_EQ(rings(topology, RingUse::kAnswers, "hash_worker 0", worker), 1);
  }
  EXPECT_EQ(rings(topology, RingUse::kSealedBlocks, "hash_worker 0", "journal"), 1);
  EXPECT_EQ(rings(topology, RingUse::kDurableBlocks, "journal", "hash_worker 0"), 1);
  EXPECT_EQ(rings(topology, RingUse::kSubmitted, "control", "hash_worker 0"), 1);
}

TEST(Topology, HashesInPlaceWhereNoCpuIsGiven) {
  BootConfig with_ledger = with_workers({1, 2}, {});
  with_ledger.ledger.emplace();
  const auto topology = plan_topology(with_ledger, std::vector{port(0, 2, 2)});
  EXPECT_TRUE(topology.hashes_in_place());
  EXPECT_EQ(topology.hash_threads, (std::vector<unsigned>{1, 2}));
  EXPECT_EQ(rings(topology, RingUse::kTransactions, "worker 0", "worker 1"), 1);
  EXPECT_EQ(rings(topology, RingUse::kTransactions, "worker 1", "worker 1"), 1) << "its own, too";
  EXPECT_EQ(rings(topology, RingUse::kHashed, "worker 1", "worker 0"), 1) << "the first one seals";
}

}  // namespace
}  // namespace sluice::dataplane
