// Tables for tests in a few words: two ports, `edge` towards the clients and `core` towards the backends,
// and the services that a test wants. Everything has an address of either family.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "dataplane/tables/tables.h"

namespace sluice::test {

inline constexpr uint8_t kEdge = 0, kCore = 1;
inline constexpr const char* kEdgeMac = "02:00:00:00:00:01";
inline constexpr const char* kCoreMac = "02:00:00:00:00:02";
inline constexpr const char* kRouterMac = "02:00:00:00:00:fe";  ///< of edge's default gateway

/// The addresses of one family, and the sizes that depend on it.
struct Family {
  const char* name;
  const char* client;  ///< beyond the router
  const char* client2;
  const char* vip;
  const char* vip2;
  const char* edge;  ///< the ports' own
  const char* core;
  const char* router;  ///< edge's default gateway
  const char* snat;
  const char* backend;  ///< on core's link, with static neighbors
  const char* backend2;
  const char* backend3;
  size_t header;  ///< of IP
};
inline constexpr Family kIpv4 = {
    "Ipv4",        "198.51.100.7", "198.51.100.8", "203.0.113.10", "203.0.113.20", "10.10.0.1", "10.20.0.1",
    "10.10.0.254", "10.20.0.2",    "10.20.0.11",   "10.20.0.12",   "10.20.0.13",   20};
inline constexpr Family kIpv6 = {
    "Ipv6",     "2001:db8:c::7", "2001:db8:c::8", "2001:db8:1::10", "2001:db8:1::20", "fd10::1", "fd20::1",
    "fd10::fe", "fd20::2",       "fd20::11",      "fd20::12",       "fd20::13",       40};

/// The MAC address of a backend: 02:00:00:00:20:NN by the last byte of its address.
std::string mac_of(const std::string& backend);

struct BackendSpec {
  std::string address;
  uint16_t port = 0;
  uint32_t weight = 1;
  lb::BackendState state = lb::BackendState::kActive;
  bool has_route = true;
};

struct ServiceSpec {
  std::string address;  ///< or a prefix
  uint16_t first_port = 80;
  uint16_t last_port = 80;
  IpProtocol protocol = IpProtocol::kTcp;
  lb::ForwardMode forward = lb::ForwardMode::kFullNat;
  std::vector<BackendSpec> backends = {};
  lb::Policy policy = lb::Policy::kMaglev;
  uint32_t idle_timeout_ms = 30000;
};

/// Whole Tables; a test may change what it likes before it hands them on. Services and backends have the
/// ids of their order, counted through.
std::shared_ptr<dataplane::Tables> make_tables(const std::vector<ServiceSpec>& services);

}  // namespace sluice::test
