#include "ctrl/intent/config_decode.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ctrl/intent/config_duration.h"
#include "ctrl/intent/config_events.h"
#include "ctrl/intent/config_flow_log.h"
#include "ctrl/intent/config_health.h"
#include "ctrl/intent/config_inspections.h"
#include "ctrl/intent/config_ledger.h"
#include "ctrl/intent/config_pool_behaviour.h"
#include "ctrl/intent/config_registry.h"
#include "ctrl/intent/config_remote.h"
#include "ctrl/intent/config_rules.h"
#include "ctrl/intent/config_sources.h"
#include "ctrl/intent/config_steering.h"
#include "ctrl/intent/config_tracing.h"
#include "ctrl/intent/config_tunnels.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

/// A word that the schema has checked already.
template <typename Enum>
void read_word(const Cursor& parent, const char* key, Enum (*value_of)(std::string_view), Enum& target) {
  if (const Cursor word = parent.member(key)) target = value_of(word.value().get_ref<const std::string&>());
}

void read_limit(const Cursor& limits, const char* key, dataplane::RateLimit& target) {
  const Cursor limit = limits.member(key);
  limit.read("rate", target.rate);
  limit.read("burst", target.burst);
}

void decode_limits(const Cursor& limits, dataplane::WorkerLimits& target) {
  read_limit(limits, "echo", target.echo);
  read_limit(limits, "icmp_errors", target.icmp_errors);
  read_limit(limits, "kernel", target.kernel);
  read_limit(limits, "neighbor_copies", target.neighbor_copies);
}

void decode_gateway(const Cursor& gateway, Model& model) {
  gateway.parse("name", parse_name, model.gateway_name);
  gateway.read("eal", model.boot.eal);
  gateway.read("workers", model.boot.workers);
  gateway.read("lb_workers", model.boot.lb_workers);
  gateway.read("hash_workers", model.boot.hash_workers);
  read_word(gateway, "idle", idle_of, model.boot.idle);
  read_duration(gateway, "lameduck", milliseconds(0), model.lameduck);
  gateway.read("flow_table_entries", model.boot.flow_table_entries);
  decode_limits(gateway.member("limits"), model.boot.limits);
  if (SipKey key; gateway.parse("hash_key", parse_hash_key, key)) model.hash_key = key;
}

void decode_vlan(const Cursor& vlan, dataplane::PortConfig& port) {
  if (!vlan) return;
  if (vlan.value().is_number()) {
    port.vlan_ids[0] = vlan.value().get<uint16_t>();
    port.vlan_tags = 1;
  }
  vlan.each([&](const Cursor& id, size_t) { port.vlan_ids[port.vlan_tags++] = id.value().get<uint16_t>(); });
}

void decode_port(const Cursor& from, size_t index, Draft& draft) {
  // An index into boot.ports stays that of the document, whatever is wrong with other entries.
  draft.model.boot.ports.resize(index + 1);
  dataplane::PortConfig& port = draft.model.boot.ports.back();
  from.parse("name", parse_name, port.name);
  from.read("device", port.device);
  MacAddress mac;
  if (from.parse("mac", parse_station_mac, mac)) port.mac = mac;
  from.read("mtu", port.mtu);
  decode_vlan(from.member("vlan"), port);
  from.read("kernel", port.kernel);
  from.member("addresses").each([&](const Cursor& text, size_t place) {
    Prefix address;
    if (!text.parse(parse_interface_address, address)) return;
    port.addresses.push_back(address);
    draft.port_addresses.push_back({{index, address}, place});
  });
}

PoolDraft decode_pool(const Cursor& from) {
  PoolDraft draft;
  PoolModel& pool = draft.pool;
  from.parse("name", parse_name, pool.name);
  const Cursor backends = from.member("backends");
  if (backends && backends.value().is_array()) {
    pool.backends.reserve(backends.value().size());
    draft.backend_index.reserve(backends.value().size());
  }
  backends.each([&](const Cursor& entry, size_t index) {
    BackendModel backend;
    entry.read("port", backend.port);
    entry.read("weight", backend.weight);
    if (!entry.parse("address", parse_host_address, backend.address) || entry.spoilt("port")) return;
    pool.backends.push_back(backend);
    draft.backend_index.push_back(index);
  });
  from.read("fail_open", pool.fail_open);
  if (const Cursor size = from.member("table_size")) pool.table_size = size.value().get<uint32_t>();
  pool.health = decode_health(from.member("health"));
  pool.discover = decode_discover(from.member("discover"));
  pool.limits = decode_limits_of_pool(from.member("limits"));
  decode_pool_behaviour(from, pool);
  return draft;
}

ServiceDraft decode_service(const Cursor& from) {
  ServiceDraft draft;
  ServiceModel& service = draft.service;
  from.parse("name", parse_name, service.name);
  decode_steering(from, service);
  read_word(from, "protocol", protocol_of, service.protocol);
  read_word(from, "policy", policy_of, service.policy);
  read_word(from, "forward", forward_of, service.forward);
  const Cursor timeouts = from.member("idle_timeout");
  read_duration(timeouts, "tcp", milliseconds(1000), service.tcp_idle_timeout);
  read_duration(timeouts, "udp", milliseconds(1000), service.udp_idle_timeout);
  service.access = decode_access(from.member("access"));
  service.limits = decode_limits_of_service(from.member("limits"));
  from.parse("inspect", parse_name, service.inspect);

  const bool has_address = from.parse("address", parse_network, service.address);
  const Cursor port = from.member("port");
  PortRange range;
  bool has_port = port && port.value().is_number();
  if (has_port) {
    range.first = range.last = port.value().get<uint16_t>();
  } else if (port) {
    has_port = port.parse(parse_port_range, range);
  }
  service.first_port = range.first;
  service.last_port = range.last;
  draft.matches = has_address && has_port && !from.spoilt("protocol");
  return draft;
}

/// An address that may name its port.
bool decode_zoned(const Cursor& text, const std::vector<dataplane::PortConfig>& ports, IpAddress& address,
                  std::optional<uint16_t>& port) {
  ZonedAddress zoned;
  if (!text.parse(parse_zoned_address, zoned)) return false;
  address = zoned.address;
  if (zoned.port.empty()) return true;
  const auto named = std::find_if(ports.begin(), ports.end(),
                                  [&](const auto& candidate) { return candidate.name == zoned.port; });
  if (named == ports.end()) {
    text.fault("there is no port named \"" + zoned.port + "\"");
    return false;
  }
  port = static_cast<uint16_t>(named - ports.begin());
  return true;
}

void decode_encapsulation(const Cursor& encap, dataplane::Encapsulation& target) {
  const auto source = [&](const char* key, bool is_v4, IpAddress& address) {
    const Cursor text = encap.member(key);
    IpAddress parsed;
    if (!text.parse(parse_host_address, parsed)) return;
    if (parsed.is_v4() != is_v4)
      return text.fault(is_v4 ? "must be an IPv4 address" : "must be an IPv6 address");
    address = parsed;
  };
  source("source", true, target.source);
  source("source6", false, target.source6);
  encap.read("gue_port", target.gue_port);
}

void decode_services_of_the_process(const Cursor& root, Model& model) {
  const Cursor control = root.member("control");
  control.parse("socket", parse_absolute_path, model.control.socket);
  control.parse("mode", parse_file_mode, model.control.mode);
  root.member("http").parse("listen", parse_listen, model.http.listen);
  model.registry = decode_registry(root.member("registry"));
  model.remote = decode_remote(root.member("remote"));
  model.audit = decode_audit(root.member("audit"));
  model.events = decode_events(root.member("events"));
  model.flow_log = decode_flow_log(root.member("flow_log"));
  model.tracing = decode_tracing(root.member("tracing"));
  const Cursor log = root.member("log");
  log.read("level", model.log.level);
  log.read("format", model.log.format);
  log.read("levels", model.log.levels);
}

}  // namespace

Draft decode(const Cursor& root) {
  Draft draft;
  decode_gateway(root.member("gateway"), draft.model);
  root.member("ports").each([&](const Cursor& port, size_t index) { decode_port(port, index, draft); });
  root.member("routes").each([&](const Cursor& entry, size_t index) {
    RouteModel route;
    const bool to = entry.parse("to", parse_network, route.to);
    const bool via = decode_zoned(entry.member("via"), draft.model.boot.ports, route.via, route.via_port);
    if (via && to) draft.routes.push_back({route, index});
  });
  root.member("neighbors").each([&](const Cursor& entry, size_t index) {
    NeighborModel neighbor;
    const bool address =
        decode_zoned(entry.member("address"), draft.model.boot.ports, neighbor.address, neighbor.port);
    if (entry.parse("mac", parse_station_mac, neighbor.mac) && address) {
      draft.neighbors.push_back({neighbor, index});
    }
  });
  root.member("snat").each([&](const Cursor& text, size_t index) {
    IpAddress address;
    if (text.parse(parse_host_address, address)) draft.snat.push_back({address, index});
  });
  decode_encapsulation(root.member("encap"), draft.model.encapsulation);
  decode_sources(root.member("sources"), draft);
  root.read("services_from", draft.model.services_from);
  decode_sets(root.member("sets"), draft);
  decode_inspections(root.member("inspections"), draft);
  root.member("pools").each([&](const Cursor& pool, size_t index) {
    draft.pools.push_back({decode_pool(pool), index});
  });
  root.member("services").each([&](const Cursor& service, size_t index) {
    draft.services.push_back({decode_service(service), index});
  });
  decode_tunnels(root.member("tunnels"), draft);
  draft.model.tunnel_state = kTunnelState;
  root.parse("tunnel_state", parse_absolute_path, draft.model.tunnel_state);
  decode_ledger(root.member("ledger"), draft);
  decode_services_of_the_process(root, draft.model);
  return draft;
}

}  // namespace sluice::ctrl
