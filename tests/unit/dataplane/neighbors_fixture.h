// ARP and NDP as the links see them: frames into a gateway without threads, frames out. Both families:
// neighbors_test.cpp has the suite's instantiation.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/neighbor/neighbors.h"
#include "tests/support/test_gateway.h"

namespace sluice::dataplane {

using test::Bytes;
using Frames = std::vector<Bytes>;
using test::ethernet;
using test::Family;
using test::ip;
using test::kCore;
using test::kCoreMac;
using test::kEdge;
using test::kEdgeMac;

inline constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";
inline constexpr const char* kNoMac = "00:00:00:00:00:00";
inline constexpr const char* kBackendMac = "02:00:00:00:00:77";
inline constexpr const char* kNewMac = "02:00:00:00:00:78";
inline constexpr const char* kStrangerMac = "02:00:00:00:00:66";

inline Bytes link_option(uint8_t type, const char* mac) {
  Bytes option = {type, 1};
  test::append(option, test::mac_bytes(mac));
  return option;
}

/// The last 24 bits of both families' test addresses, as their solicited-node groups have them: the
/// addresses used here end in one 16-bit group.
inline std::string group_of(const std::string& address) {
  return "ff02::1:ff00:" + address.substr(address.find_last_of(':') + 1);
}
inline std::string group_mac_of(const std::string& address) {
  const std::string last = "00" + address.substr(address.find_last_of(':') + 1);
  return "33:33:ff:00:00:" + last.substr(last.size() - 2);
}

inline Bytes solicitation(const char* mac, const char* from, const std::string& to_mac, const std::string& to,
                          const char* target) {
  Bytes body = test::address_bytes(target);
  if (from != std::string("::")) test::append(body, link_option(1, mac));
  return ethernet({mac, to_mac}, ip(from, to).ttl(255).icmp(135, 0, 0).payload(body));
}

inline Bytes advertisement(const char* mac, const char* from, const std::string& to_mac,
                           const std::string& to, const char* target, uint32_t flags) {
  Bytes body = test::address_bytes(target);
  test::append(body, link_option(2, mac));
  return ethernet({mac, to_mac}, ip(from, to).ttl(255).icmp(136, 0, flags).payload(body));
}

class NeighborsOf : public testing::TestWithParam<Family> {
 protected:
  NeighborsOf() : tables_(tables()), gateway_(tables_) {}

  static std::shared_ptr<Tables> tables() {
    const Family& family = GetParam();
    auto tables = test::make_tables({{.address = family.vip,
                                      .first_port = 53,
                                      .last_port = 53,
                                      .protocol = IpProtocol::kUdp,
                                      .forward = lb::ForwardMode::kDirect,
                                      .backends = {{family.backend}}}});
    tables->neighbors.clear();
    return tables;
  }
  static bool v4() { return GetParam().header == 20; }

  static test::PacketBuilder packet(unsigned flow) {
    return ip(GetParam().client, GetParam().vip).udp(static_cast<uint16_t>(1024 + flow), 53).payload("ask");
  }
  void send(unsigned flow, unsigned worker = 0) {
    gateway_.receive(kEdge, ethernet({test::kRouterMac, kEdgeMac}, packet(flow)), worker);
  }
  static Bytes forwarded(unsigned flow, const char* mac = kBackendMac) {
    return ethernet({kCoreMac, mac}, packet(flow));
  }
  /// What the gateway asks about the backend: everybody, or only `mac`.
  static Bytes question(const char* mac = nullptr) {
    const Family& family = GetParam();
    if (v4()) {
      return ethernet({kCoreMac, mac ? mac : kBroadcast},
                      test::arp(1, kCoreMac, family.core, kNoMac, family.backend), 0x0806);
    }
    return solicitation(kCoreMac, family.core, mac ? mac : group_mac_of(family.backend),
                        mac ? family.backend : group_of(family.backend), family.backend);
  }
  static Bytes answer(const char* mac = kBackendMac) {
    const Family& family = GetParam();
    if (v4()) {
      return ethernet({mac, kCoreMac}, test::arp(2, mac, family.backend, kCoreMac, family.core), 0x0806);
    }
    return advertisement(mac, family.backend, kCoreMac, family.core, family.backend, 0x60000000);
  }
  /// Said to everybody, unasked: the backend is at `mac`.
  static Bytes announcement(const char* mac) {
    const Family& family = GetParam();
    if (v4()) {
      return ethernet({mac, kBroadcast}, test::arp(1, mac, family.backend, kNoMac, family.backend), 0x0806);
    }
    return advertisement(mac, family.backend, "33:33:00:00:00:01", "ff02::1", family.backend, 0x20000000);
  }

  /// Lets that much time go by, a tick at a time as the worker loop would.
  void pass_ms(uint32_t milliseconds) {
    for (uint32_t passed = 0; passed < milliseconds; passed += 100) {
      gateway_.advance_ms(100);
      gateway_.poll();
      for (unsigned i = 0; i < gateway_.workers(); ++i) {
        Worker& worker = gateway_.worker(i);
        worker.neighbors.tick(*worker.tables, worker.now_ms, worker.transmit);
      }
      gateway_.poll();
    }
  }
  std::vector<Notice> take_notices() {
    std::vector<Notice> notices(100);
    notices.resize(gateway_.notices().take(notices));
    return notices;
  }
  NeighborState state() {
    const auto known = gateway_.worker().neighbors.snapshot();
    return known.size() == 1 ? known.front().state : NeighborState::kFree;
  }
  uint64_t unresolved() const { return gateway_.dropped(DropReason::kNeighborUnresolved); }

  std::shared_ptr<Tables> tables_;
  test::TestGateway gateway_;
};

}  // namespace sluice::dataplane
