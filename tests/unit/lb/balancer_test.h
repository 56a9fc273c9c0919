// The fixture of the balancer's tests: a few clients and their flows.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/lb/world.h"

namespace sluice::lb {

inline constexpr uint8_t kSyn = TcpHeader::kSyn, kAck = TcpHeader::kAck, kFin = TcpHeader::kFin,
                         kRst = TcpHeader::kRst;

class BalancerTest : public testing::Test {
 protected:
  World world{{.backends = 4, .entries = 64}};

  FlowKey client(unsigned number, IpProtocol protocol = IpProtocol::kTcp) {
    return flow_key("192.0.2.7", number, "203.0.113.10", 80, protocol);
  }
  FlowKey question(unsigned number) {
    return flow_key("192.0.2.7", number, "203.0.113.10", 53, IpProtocol::kUdp);
  }
  FlowKey reply_of(const Decision& decision) { return world.reply_of(decision); }
  /// Makes the policy choose another backend for new flows, while this one stays as it is.
  void turn_policy_away_from(BackendId backend) {
    world.set_backends({.except = backend});
    world.backends[backend] = world.all_backends[backend];
  }
};

}  // namespace sluice::lb
