#include "dataplane/worker/steering.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace sluice::dataplane {
namespace {

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

FlowKey key(const char* source, uint16_t source_port, const char* destination, uint16_t destination_port,
            IpProtocol protocol = IpProtocol::kTcp) {
  return {address(source),
          address(destination),
          Be16::from_host(source_port),
          Be16::from_host(destination_port),
          protocol,
          {}};
}

/// Service 0 is dnat on .10, service 1 is full-nat on .20; 10.20.0.11 is a dnat backend.
class Steering : public testing::Test {
 protected:
  Steering() {
    auto services = std::make_shared<std::vector<lb::Service>>(2);
    (*services)[0].forward = lb::ForwardMode::kDnat;
    (*services)[1].forward = lb::ForwardMode::kFullNat;
    tables_.services = services;
    const lb::ServiceMatch matches[] = {{*Prefix::parse("203.0.113.10"), 80, 80, IpProtocol::kTcp, 0},
                                        {*Prefix::parse("203.0.113.20"), 80, 80, IpProtocol::kTcp, 1}};
    tables_.service_table = lb::ServiceTable::build(matches);
    tables_.snat = {address("10.20.0.1"), address("fd20::1")};
    const IpAddress backends[] = {address("10.20.0.11")};
    tables_.dnat_backends = std::make_shared<AddressSet>(backends);
  }
  static WorkerPlace rx_worker(unsigned index, unsigned workers) {
    return {.index = index, .balancer = index, .balancers = workers, .rx_workers = workers};
  }
  static WorkerPlace only_receives(unsigned index, unsigned rx_workers, unsigned balancers) {
    return {.index = index,
            .balancers = balancers,
            .rx_workers = rx_workers,
            .balances = false,
            .owns_by_client = true};
  }
  static PacketMeta meta(PacketKind kind, const FlowKey& key) {
    PacketMeta meta;
    meta.kind = kind;
    meta.key = key;
    return meta;
  }
  Tables tables_;
};

TEST_F(Steering, OneWorkerOwnsEverything) {
  EXPECT_EQ(owner_of_flow(tables_, rx_worker(0, 1), key("198.51.100.7", 1, "203.0.113.10", 80)), 0u);
  EXPECT_EQ(owner_of_flow(tables_, rx_worker(0, 1), key("10.20.0.11", 80, "10.20.0.1", 60000)), 0u);
}

TEST_F(Steering, FullNatRepliesGoWhereTheirPortBelongs) {
  for (unsigned workers : {2u, 3u, 7u}) {
    for (unsigned owner = 0; owner < workers; ++owner) {
      const lb::PortSlice slice = lb::port_slice(owner, workers);
      for (const char* snat : {"10.20.0.1", "fd20::1"}) {
        for (const uint16_t port : {slice.first, slice.last}) {
          EXPECT_EQ(owner_of_flow(tables_, rx_worker(0, workers), key("10.20.0.12", 80, snat, port)), owner);
        }
      }
    }
  }
}

TEST_F(Steering, FullNatRequestsStayWhereTheyCame) {
  EXPECT_EQ(owner_of_flow(tables_, rx_worker(1, 3), key("198.51.100.7", 1, "203.0.113.20", 80)),
            kWhoeverReceived);
  EXPECT_EQ(owner_of_flow(tables_, rx_worker(1, 3), key("198.51.100.7", 1, "198.51.100.8", 80)),
            kWhoeverReceived);
}

TEST_F(Steering, WhereADeviceSplitsFlowsAnyReceiverNamesTheSameOwner) {
  for (const bool dnat : {true, false}) {
    if (!dnat) tables_.dnat_backends = nullptr;
    std::array<int, 3> flows{};
    for (uint16_t port = 1000; port < 2500; ++port) {
      const FlowKey request = key("198.51.100.7", port, "203.0.113.20", 80);
      std::set<unsigned> owners;
      for (unsigned receiver = 0; receiver < 3; ++receiver) {
        WorkerPlace place = rx_worker(receiver, 3);
        place.owns_by_client = true;
        owners.insert(owner_of_flow(tables_, place, request));
      }
      ASSERT_EQ(owners.size(), 1u);
      ASSERT_LT(*owners.begin(), 3u);
      ++flows[*owners.begin()];
    }
    for (const int count : flows) EXPECT_NEAR(count, 500, 150);
  }
}

TEST_F(Steering, BothDirectionsOfADnatFlowMeet) {
  std::array<int, 4> flows{};
  for (uint16_t port = 1000; port < 3000; ++port) {
    const unsigned owner =
        owner_of_flow(tables_, rx_worker(0, 4), key("198.51.100.7", port, "203.0.113.10", 80));
    ASSERT_LT(owner, 4u);
    ++flows[owner];
    EXPECT_EQ(owner_of_flow(tables_, rx_worker(3, 4), key("10.20.0.11", 8080, "198.51.100.7", port)), owner);
  }
  for (const int count : flows) EXPECT_NEAR(count, 500, 150);
}

TEST_F(Steering, ABackendMayBeAClient) {
  const FlowKey request = key("10.20.0.11", 5000, "203.0.113.10", 80);
  const FlowKey reply = key("10.20.0.11", 80, "10.20.0.11", 5000);
  EXPECT_EQ(owner_of_flow(tables_, rx_worker(0, 5), request), owner_of_flow(tables_, rx_worker(0, 5), reply));
}

TEST_F(Steering, WithoutDnatNoServiceIsLookedUp) {
  tables_.dnat_backends = nullptr;
  EXPECT_EQ(owner_of_flow(tables_, rx_worker(0, 4), key("10.20.0.11", 8080, "198.51.100.7", 1000)),
            kWhoeverReceived);
}

TEST_F(Steering, BalancingApartSpreadsByClient) {
  for (const bool dnat : {true, false}) {
    if (!dnat) tables_.dnat_backends = nullptr;
    std::array<int, 3> flows{};
    for (uint16_t port = 1000; port < 2500; ++port) {
      const unsigned owner =
          owner_of_flow(tables_, only_receives(0, 2, 3), key("198.51.100.7", port, "203.0.113.20", 80));
      ASSERT_LT(owner, 3u);
      ++flows[owner];
    }
    for (const int count : flows) EXPECT_NEAR(count, 500, 150);
  }
}

TEST_F(Steering, WorkersAreNumberedBehindTheReceivingOnes) {
  EXPECT_EQ(worker_of_balancer(only_receives(0, 2, 3), 1), 3u);
  EXPECT_EQ(worker_of_balancer(rx_worker(0, 3), 1), 1u);
}

TEST_F(Steering, WhatIsNoFlowStays) {
  const FlowKey any = key("198.51.100.7", 0, "203.0.113.10", 0);
  for (const PacketKind kind : {PacketKind::kEcho, PacketKind::kNeighbor, PacketKind::kOther}) {
    EXPECT_EQ(worker_for(tables_, only_receives(1, 2, 3), meta(kind, any)), 1u);
  }
}

TEST_F(Steering, IcmpErrorsGoToTheFlowTheyAreAbout) {
  const WorkerPlace place = rx_worker(0, 4);
  // Quoted: what the gateway sent to a full-nat backend.
  const lb::PortSlice slice = lb::port_slice(2, 4);
  EXPECT_EQ(worker_for(tables_, place,
                       meta(PacketKind::kIcmpError, key("10.20.0.1", slice.first, "10.20.0.12", 80))),
            2u);
  // Quoted: what the gateway sent to a dnat client, and to the backend.
  const FlowKey request = key("198.51.100.7", 1234, "203.0.113.10", 80);
  const unsigned owner = worker_for(tables_, place, meta(PacketKind::kFlow, request));
  EXPECT_EQ(worker_for(tables_, place, meta(PacketKind::kIcmpError, request.reversed())), owner);
  EXPECT_EQ(
      worker_for(tables_, place, meta(PacketKind::kIcmpError, key("198.51.100.7", 1234, "10.20.0.11", 8080))),
      owner);
}

}  // namespace
}  // namespace sluice::dataplane
