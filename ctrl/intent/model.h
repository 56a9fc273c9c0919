// The intent: what a person applied, values only. A Model is immutable once built, any thread may read it; a
// change makes a new one that shares the pools and services it did not touch.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/address.h"
#include "common/siphash.h"
#include "ctrl/intent/events_model.h"
#include "ctrl/intent/flow_log_model.h"
#include "ctrl/intent/health_type.h"
#include "ctrl/intent/inspection_model.h"
#include "ctrl/intent/ledger_model.h"
#include "ctrl/intent/log_model.h"
#include "ctrl/intent/registry_model.h"
#include "ctrl/intent/remote_model.h"
#include "ctrl/intent/rules_model.h"
#include "ctrl/intent/shared_map.h"
#include "ctrl/intent/source_model.h"
#include "ctrl/intent/steering_model.h"
#include "ctrl/intent/tracing_model.h"
#include "ctrl/intent/tunnel_model.h"
#include "dataplane/device/boot_config.h"
#include "dataplane/tables/encapsulation.h"
#include "lb/service.h"

namespace sluice::ctrl {

struct HealthCheck {
  HealthType type = HealthType::kNone;
  uint16_t port = 0;  ///< 0: the backend's own
  std::string host;   ///< of HTTP and gRPC; empty: address and port
  std::string path = "/";
  std::vector<unsigned> expect{200};
  std::string expect_body;  ///< in the answer of HTTP
  std::string server_name;  ///< of TLS; empty: what `host` names, else the address
  bool insecure = false;    ///< TLS with any certificate
  std::string ca;           ///< file of the authorities that TLS trusts; empty: the system's
  std::string service;      ///< of gRPC; empty: the server as a whole
  std::string name;         ///< to ask DNS for
  std::string send;         ///< of UDP: as payload_bytes() reads it, and what an answer must have in it
  std::string expect_text;
  bool via_service = false;  ///< the way of the services' packets; else to the backend's own address
  std::chrono::milliseconds interval{2000};
  std::chrono::milliseconds timeout{1000};
  unsigned rise = 2;
  unsigned fall = 3;
  bool operator==(const HealthCheck&) const = default;
};

struct BackendModel {
  IpAddress address;
  uint16_t port = 0;  ///< 0 keeps the packet's
  uint32_t weight = 1;
  bool operator==(const BackendModel&) const = default;
};

struct PoolModel {
  std::string name;
  std::vector<BackendModel> backends;
  bool fail_open = false;
  std::optional<double> panic = {};  ///< below this healthy share, balance over all
  std::chrono::milliseconds slow_start{0};
  std::optional<OutlierModel> outlier = {};
  std::optional<uint32_t> table_size;
  HealthCheck health;
  std::optional<DiscoverModel> discover;  ///< backends that a source tells, besides `backends`
  PoolLimitsModel limits = {};
  bool operator==(const PoolModel&) const = default;
};

struct ServiceModel {
  std::string name;
  Prefix address;
  uint16_t first_port = 0;  ///< 0..65535 is any
  uint16_t last_port = 0;
  IpProtocol protocol = IpProtocol::kTcp;
  lb::Policy policy = lb::Policy::kMaglev;
  lb::ForwardMode forward = lb::ForwardMode::kFullNat;
  std::string pool;                      ///< empty: there is a split
  std::vector<SplitShareModel> split;    ///< instead
  std::vector<SourceRouteModel> routes;  ///< the first that matches goes before both
  std::optional<MirrorModel> mirror;
  std::chrono::milliseconds tcp_idle_timeout{300'000};
  std::chrono::milliseconds udp_idle_timeout{30'000};
  AccessModel access = {};
  LimitsModel limits = {};
  std::string inspect;  ///< an inspection; empty: none
  bool operator==(const ServiceModel&) const = default;
};

struct RouteModel {
  Prefix to;
  IpAddress via;
  std::optional<uint16_t> via_port = {};  ///< index into boot.ports: of a link-local gateway
  bool operator==(const RouteModel&) const = default;
};

struct NeighborModel {
  IpAddress address;
  MacAddress mac;
  std::optional<uint16_t> port = {};  ///< index into boot.ports: of a link-local address
  bool operator==(const NeighborModel&) const = default;
};

struct ControlModel {
  std::string socket = "/run/sluice/sluice.sock";
  unsigned mode = 0660;
};

struct HttpModel {
  std::string listen = "127.0.0.1:9464";  ///< empty: no HTTP server
};

struct Model {
  std::string gateway_name = "sluice";
  dataplane::BootConfig boot;      ///< `gateway` and `ports`: a change needs a restart; without its ledger
  std::optional<SipKey> hash_key;  ///< nothing: the one that the gateway keeps for itself counts
  std::chrono::milliseconds lameduck{0};  ///< how long to go on after being told to stop
  std::vector<RouteModel> routes;
  std::vector<NeighborModel> neighbors;
  std::vector<IpAddress> snat;
  dataplane::Encapsulation encapsulation;
  std::vector<SourceModel> sources;
  std::string services_from;  ///< source that brings services besides `services`; empty: none
  SharedMap<SetModel> sets;
  SharedMap<InspectionModel> inspections;
  std::vector<TunnelModel> tunnels;
  std::string tunnel_state;  ///< a directory; with `tunnels` alone
  SharedMap<PoolModel> pools;
  SharedMap<ServiceModel> services;
  std::optional<LedgerModel> ledger;
  ControlModel control;
  HttpModel http;
  std::optional<RegistryModel> registry;
  EventsModel events;
  std::optional<TracingModel> tracing;
  std::optional<FlowLogModel> flow_log;
  std::optional<RemoteModel> remote;
  AuditModel audit;
  LogModel log;
};

/// What names a backend for operators, health and statistics.
struct BackendKey {
  std::string pool;
  IpAddress address;
  uint16_t port = 0;
  auto operator<=>(const BackendKey&) const = default;
};

/// What an operator set at run time, apart from the configuration; kept as long as the backend is.
enum class AdminState : uint8_t { kActive, kDraining, kMaintenance };

}  // namespace sluice::ctrl
