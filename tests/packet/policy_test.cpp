// Which backend each policy gives new flows to, seen from outside.
// GCC 12 sees impossible lengths in what it inlines here at -O3.
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include <map>
#include <set>

#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

class PolicyTest : public FamilyTest {
 protected:
  ServiceSpec three_backends(Policy policy) const {
    ServiceSpec spec = service(ForwardMode::kDirect);
    spec.policy = policy;
    spec.backends = {
        {.address = family().backend}, {.address = family().backend2}, {.address = family().backend3}};
    return spec;
  }
  /// The MAC address of the backend that gets a packet.
  static Bytes backend_of(TestGateway& gateway, const PacketBuilder& packet) {
    gateway.receive(kEdge, from_client(packet));
    const Frames out = gateway.sent(kCore);
    EXPECT_EQ(out.size(), 1u);
    return out.empty() ? Bytes{} : destination_mac_of(out[0]);
  }
};
INSTANTIATE_FOR_FAMILIES(PolicyTest);

TEST_P(PolicyTest, EveryPolicyUsesAllBackendsAndKeepsFlows) {
  for (const Policy policy : {Policy::kMaglev, Policy::kWeightedRoundRobin, Policy::kRandom,
                              Policy::kTwoChoices, Policy::kLeastConnections}) {
    TestGateway gateway(make_tables({three_backends(policy)}));
    std::map<uint16_t, Bytes> chosen;
    std::set<Bytes> used;
    for (uint16_t flow = 1; flow <= 60; ++flow) {
      chosen[flow] = backend_of(gateway, request(flow).syn());
      used.insert(chosen[flow]);
    }
    EXPECT_EQ(used.size(), 3u) << static_cast<int>(policy);
    for (const auto& [flow, backend] : chosen) EXPECT_EQ(backend_of(gateway, request(flow)), backend);
  }
}

TEST_P(PolicyTest, MaglevNeedsNoMemory) {
  // Another gateway with the same backends, that has never seen the flows, sends them to the same ones.
  ServiceSpec reordered = three_backends(Policy::kMaglev);
  std::swap(reordered.backends[0], reordered.backends[2]);
  TestGateway one(make_tables({three_backends(Policy::kMaglev)})), two(make_tables({reordered}));
  for (uint16_t flow = 1; flow <= 40; ++flow) {
    EXPECT_EQ(backend_of(one, request(flow)), backend_of(two, request(flow)));
  }
}

TEST_P(PolicyTest, SourceHashLooksAtTheSourceAddressAlone) {
  TestGateway gateway(make_tables({three_backends(Policy::kSourceHash)}));
  const Bytes first = backend_of(gateway, request(1));
  for (uint16_t flow = 2; flow <= 20; ++flow) EXPECT_EQ(backend_of(gateway, request(flow)), first);
  std::set<Bytes> used;
  for (int i = 1; i <= 60; ++i) {
    const std::string client = (v4() ? "198.51.100." : "2001:db8:c::") + std::to_string(i);
    used.insert(backend_of(gateway, ip(client, family().vip).tcp(1, 80)));
  }
  EXPECT_EQ(used.size(), 3u);
}

TEST_P(PolicyTest, WeightedRoundRobinCountsExactly) {
  ServiceSpec spec = three_backends(Policy::kWeightedRoundRobin);
  spec.backends[0].weight = 4;
  spec.backends[1].weight = 2;
  spec.backends[2].weight = 0;
  TestGateway gateway(make_tables({spec}));
  std::map<Bytes, int> flows;
  for (uint16_t flow = 1; flow <= 60; ++flow) ++flows[backend_of(gateway, request(flow).syn())];
  EXPECT_EQ(flows[mac_bytes(mac_of(family().backend))], 40);
  EXPECT_EQ(flows[mac_bytes(mac_of(family().backend2))], 20);
  EXPECT_EQ(flows.size(), 2u);
}

TEST_P(PolicyTest, LeastConnectionsEvensOut) {
  TestGateway gateway(make_tables({three_backends(Policy::kLeastConnections)}));
  std::map<Bytes, int> flows;
  for (uint16_t flow = 1; flow <= 60; ++flow) ++flows[backend_of(gateway, request(flow).syn())];
  for (const auto& [backend, count] : flows) EXPECT_EQ(count, 20);
}

}  // namespace
}  // namespace sluice::test
