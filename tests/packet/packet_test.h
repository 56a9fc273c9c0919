// What the packet tests share: frames between the gateway of test_tables.h and its neighbors, and the
// families that a test runs for.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/forward/path_rewrite.h"
#include "tests/support/test_gateway.h"

namespace sluice::test {

using dataplane::DropReason;
using lb::BackendState;
using lb::ForwardMode;
using lb::Policy;
using Frames = std::vector<Bytes>;

inline Bytes from_client(const PacketBuilder& packet) {
  return ethernet({kRouterMac, kEdgeMac}, packet);
}
inline Bytes to_client(const PacketBuilder& packet) {
  return ethernet({kEdgeMac, kRouterMac}, packet);
}
inline Bytes from_backend(const std::string& backend, const PacketBuilder& packet) {
  return ethernet({mac_of(backend), kCoreMac}, packet);
}
inline Bytes to_backend(const std::string& backend, const PacketBuilder& packet) {
  return ethernet({kCoreMac, mac_of(backend)}, packet);
}

/// A test that runs once for each address family.
class FamilyTest : public testing::TestWithParam<Family> {
 protected:
  const Family& family() const { return GetParam(); }
  bool v4() const { return family().header == 20; }
  /// A service on the family's VIP with one backend on port 8080.
  ServiceSpec service(ForwardMode mode, IpProtocol protocol = IpProtocol::kTcp) const {
    return {.address = family().vip,
            .protocol = protocol,
            .forward = mode,
            .backends = {{.address = family().backend, .port = 8080}}};
  }
  PacketBuilder request(uint16_t source_port = 40000) const {
    return ip(family().client, family().vip).tcp(source_port, 80);
  }
};

inline std::string family_name(const testing::TestParamInfo<Family>& info) {
  return info.param.name;
}
#define INSTANTIATE_FOR_FAMILIES(Fixture)                                                                \
  INSTANTIATE_TEST_SUITE_P(Families, Fixture, testing::Values(sluice::test::kIpv4, sluice::test::kIpv6), \
                           sluice::test::family_name)

/// Source port of the TCP or UDP packet in a frame without VLAN tags, for what the gateway is free to choose.
inline uint16_t source_port_of(const Bytes& frame) {
  const size_t l4 = 14u + ((frame[14] >> 4) == 4 ? 20u : 40u);
  return static_cast<uint16_t>(frame[l4] << 8 | frame[l4 + 1]);
}
/// Destination MAC address of a frame: which backend got it.
inline Bytes destination_mac_of(const Bytes& frame) {
  return Bytes(frame.begin(), frame.begin() + 6);
}

/// Whether the path of the first flow is known, as it is once one of its packets has been sent to its
/// backend.
inline bool is_known(TestGateway& gateway) {
  dataplane::Worker& worker = gateway.worker();
  return worker.paths.find(0, 0, worker.neighbors.version()) != nullptr;
}

/// A way through the gateway, by the gateway that has no other for a known flow.
enum class Way { kLong, kParsed, kPlain };

inline GatewayShape shape_for(Way way) {
  switch (way) {
    case Way::kLong:  // no room in front of a frame for a known path
      return {.headroom = dataplane::OuterHeader::kMostBytes + dataplane::LinkHeader::kMostBytes - 1};
    case Way::kParsed:  // who receives has no flows, and hands all over to who has
      return {.rx_workers = 1, .lb_workers = 1};
    case Way::kPlain:
      return {};
  }
  return {};
}

/// Whatever came in is accounted for (WorkerStats).
inline void expect_counters_to_add_up(const TestGateway& gateway) {
  EXPECT_EQ(gateway.received() + gateway.originated(),
            gateway.transmitted() + gateway.dropped() + gateway.consumed());
}

}  // namespace sluice::test
