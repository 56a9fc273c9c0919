// What a seed makes of the world before time begins: the gateway's shape, services, backends, clients, and
// how bad wires and people are. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lb/service.h"
#include "sim/core/chance.h"
#include "sim/core/simulated_gateway.h"

namespace sluice::sim {

struct BackendPlan {
  IpAddress address;
  uint16_t port = 0;
  uint32_t weight = 1;
  bool is_listed = true;  ///< in the configuration
};

struct PoolPlan {
  std::string name;
  std::vector<BackendPlan> backends;
  bool is_discovered = false;  ///< a registry names its backends, not the configuration
};

struct ServicePlan {
  std::string name;
  IpAddress address;
  uint16_t port = 80;
  bool has_next_port = false;  ///< it is reached at the port after that, too
  IpProtocol protocol = IpProtocol::kTcp;
  std::string policy;
  std::string forward;
  unsigned pool = 0;

  bool translates() const { return forward == "full-nat" || forward == "dnat"; }
  bool picks_by_hash() const { return policy == "maglev" || policy == "source-hash"; }
};

/// How a wire treats frames, of a thousand.
struct WireFaults {
  unsigned lost = 0;
  unsigned doubled = 0;
  unsigned delayed = 0;  ///< by up to 20 ms, so that others overtake them
};

/// The ledger ingress of every gateway.
struct LedgerPlan {
  unsigned hash_workers = 0;  ///< with turns of their own; 0: workers hash
  unsigned window = 0;        ///< transactions whose repeats are known
  unsigned seal_transactions = 1;
  unsigned seal_ms = 1, checkpoint_ms = 10;
  unsigned transactions = 0;     ///< that clients send
  bool has_disk_faults = false;  ///< disks are full, slow, hang, or fail
  std::string directory = {};    ///< where logs and keys are, as long as the world lives
};

struct Scenario {
  uint64_t seed = 0;
  unsigned gateways = 1;
  unsigned workers = 1;
  unsigned lb_workers = 0;
  unsigned rx_queues = 1;
  uint32_t flow_table_entries = 4096;
  Nanoseconds begin = 0;  ///< of the gateway's clock: its milliseconds may wrap during the run
  Nanoseconds busy = 0;   ///< how long traffic, faults and changes go on
  std::vector<PoolPlan> pools;
  std::vector<ServicePlan> services;
  std::vector<IpAddress> clients;
  unsigned connections = 0;
  WireFaults wire;
  bool has_changes = false;  ///< people change configuration and states
  bool has_deaths = false;   ///< backends die and come back
  bool has_floods = false;   ///< strangers begin flows that nobody answers
  bool has_crowds = false;   ///< somebody on the clients' link has many addresses
  bool has_forgers = false;  ///< frames are repeated, mutilated and cut
  bool has_stalls = false;   ///< workers stand still for milliseconds
  std::optional<LedgerPlan> ledger;
  bool has_outages = false;  ///< links go down, wires carry less, and gateways die where there are several

  bool is_calm() const { return wire.lost == 0 && wire.doubled == 0 && wire.delayed == 0; }
  std::string to_string() const;
};

Scenario draw_scenario(uint64_t seed);
/// 3 gateways, 20 hosts, 1,000 connections: what figures are told of.
Scenario typical_scenario(uint64_t seed);

/// The configuration that a gateway has at the moment.
nlohmann::json configuration(const Scenario& scenario, unsigned gateway);
/// An address of a gateway's port, and one that it translates to: both on the port's link.
IpAddress port_address(unsigned gateway, unsigned port, bool is_v6);
IpAddress snat_address(unsigned gateway, bool is_v6);

/// What is called so in the world's directory: a log, and its key.
std::string log_directory(const LedgerPlan& plan, unsigned gateway);
std::string log_key_path(const LedgerPlan& plan, unsigned gateway);
/// Where transactions go.
IpAddress ingress_address(bool is_v6);

inline constexpr uint16_t kGuePort = 6080;
inline constexpr uint16_t kCoapPort = 5683;
inline constexpr const char* kLogOrigin = "simulated.example/log";
inline constexpr unsigned kEdge = 0, kCore = 1;  ///< a gateway's ports
inline constexpr Nanoseconds kSecondNs = 1'000'000'000, kMillisecondNs = 1'000'000;
inline constexpr Nanoseconds kTcpIdle = 20 * kSecondNs, kUdpIdle = 5 * kSecondNs;
inline constexpr unsigned kMostGateways = 3;
MacAddress gateway_mac(unsigned gateway, unsigned port);

}  // namespace sluice::sim
