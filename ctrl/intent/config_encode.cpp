// to_json(): the inverse of config_decode.cpp.
#include <nlohmann/json.hpp>

#include "ctrl/intent/config_events.h"
#include "ctrl/intent/config_flow_log.h"
#include "ctrl/intent/config_health.h"
#include "ctrl/intent/config_inspections.h"
#include "ctrl/intent/config_ledger.h"
#include "ctrl/intent/config_pool_behaviour.h"
#include "ctrl/intent/config_registry.h"
#include "ctrl/intent/config_remote.h"
#include "ctrl/intent/config_rules.h"
#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/config_sources.h"
#include "ctrl/intent/config_steering.h"
#include "ctrl/intent/config_tracing.h"
#include "ctrl/intent/config_tunnels.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json encode_limits(const dataplane::WorkerLimits& limits) {
  const auto encode = [](const dataplane::RateLimit& limit) {
    return json{{"rate", limit.rate}, {"burst", limit.burst}};
  };
  return {{"echo", encode(limits.echo)},
          {"icmp_errors", encode(limits.icmp_errors)},
          {"kernel", encode(limits.kernel)},
          {"neighbor_copies", encode(limits.neighbor_copies)}};
}

json encode_gateway(const Model& model) {
  const dataplane::BootConfig& boot = model.boot;
  json object{{"name", model.gateway_name},
              {"eal", boot.eal},
              {"workers", boot.workers},
              {"lb_workers", boot.lb_workers},
              {"hash_workers", model.boot.hash_workers},
              {"idle", word_for(boot.idle)},
              {"lameduck", format_duration(model.lameduck)},
              {"flow_table_entries", boot.flow_table_entries},
              {"limits", encode_limits(boot.limits)}};
  if (model.hash_key) object["hash_key"] = format_hash_key(*model.hash_key);
  return object;
}

/// A link-local address names its port.
std::string zoned_text(const IpAddress& address, const std::optional<uint16_t>& port, const Model& model) {
  return address.to_string() + (port ? "%" + model.boot.ports[*port].name : "");
}

json encode_port(const dataplane::PortConfig& port) {
  json addresses = json::array();
  for (const Prefix& address : port.addresses) addresses.push_back(address.to_string());
  json object{{"name", port.name},
              {"device", port.device},
              {"mtu", port.mtu},
              {"kernel", port.kernel},
              {"addresses", std::move(addresses)}};
  if (port.mac) object["mac"] = port.mac->to_string();
  if (port.vlan_tags == 1) object["vlan"] = port.vlan_ids[0];
  if (port.vlan_tags == 2) object["vlan"] = port.vlan_ids;
  return object;
}

json encode_encapsulation(const dataplane::Encapsulation& encap) {
  json object{{"gue_port", encap.gue_port}};
  if (encap.source != IpAddress{}) object["source"] = encap.source.to_string();
  if (encap.source6 != IpAddress{}) object["source6"] = encap.source6.to_string();
  return object;
}

}  // namespace

json to_json(const PoolModel& pool) {
  json backends = json::array();
  for (const BackendModel& backend : pool.backends) {
    backends.push_back(
        {{"address", backend.address.to_string()}, {"port", backend.port}, {"weight", backend.weight}});
  }
  json object{{"name", pool.name},
              {"backends", std::move(backends)},
              {"fail_open", pool.fail_open},
              {"health", encode_health(pool.health)}};
  if (pool.table_size) object["table_size"] = *pool.table_size;
  if (pool.discover) object["discover"] = encode_discover(*pool.discover);
  if (pool.limits != PoolLimitsModel{}) object["limits"] = encode_limits(pool.limits);
  encode_pool_behaviour(pool, object);
  return object;
}

namespace {

json encode_service_port(const ServiceModel& service) {
  const PortRange range{service.first_port, service.last_port};
  if (range.is_any()) return "any";
  if (range.first == range.last) return range.first;
  return std::to_string(range.first) + "-" + std::to_string(range.last);
}

}  // namespace

json to_json(const ServiceModel& service) {
  const Prefix& address = service.address;
  const bool is_host = address.length == (address.address.is_v4() ? 32 : 128);
  json object{{"name", service.name},
              {"address", is_host ? address.address.to_string() : address.to_string()},
              {"port", encode_service_port(service)},
              {"protocol", word_for(service.protocol)},
              {"policy", word_for(service.policy)},
              {"forward", word_for(service.forward)},
              {"idle_timeout",
               {{"tcp", format_duration(service.tcp_idle_timeout)},
                {"udp", format_duration(service.udp_idle_timeout)}}}};
  encode_steering(service, object);
  if (!service.access.is_open()) object["access"] = encode_access(service.access);
  if (!service.limits.is_open()) object["limits"] = encode_limits(service.limits);
  if (!service.inspect.empty()) object["inspect"] = service.inspect;
  return object;
}

namespace {

template <typename List, typename Encode>
json encode_list(const List& list, Encode&& encode) {
  json array = json::array();
  for (const auto& entry : list) array.push_back(encode(entry));
  return array;
}

}  // namespace

json settings_to_json(const Model& model) {
  json config;
  config["gateway"] = encode_gateway(model);
  config["ports"] = encode_list(model.boot.ports, encode_port);
  config["routes"] = encode_list(model.routes, [&](const RouteModel& route) {
    return json{{"to", route.to.to_string()}, {"via", zoned_text(route.via, route.via_port, model)}};
  });
  config["neighbors"] = encode_list(model.neighbors, [&](const NeighborModel& neighbor) {
    return json{{"address", zoned_text(neighbor.address, neighbor.port, model)},
                {"mac", neighbor.mac.to_string()}};
  });
  config["snat"] = encode_list(model.snat, [](const IpAddress& address) { return address.to_string(); });
  config["sources"] = encode_list(model.sources, encode_source);
  if (!model.services_from.empty()) config["services_from"] = model.services_from;
  config["sets"] = encode_list(model.sets, [](const auto& entry) { return encode_set(*entry.second); });
  config["inspections"] =
      encode_list(model.inspections, [](const auto& entry) { return encode_inspection(*entry.second); });
  config["tunnels"] = encode_list(model.tunnels, encode_tunnel);
  if (!model.tunnel_state.empty()) config["tunnel_state"] = model.tunnel_state;
  config["encap"] = encode_encapsulation(model.encapsulation);
  if (model.ledger) config["ledger"] = encode_ledger(*model.ledger);
  config["control"] = {{"socket", model.control.socket}, {"mode", format_file_mode(model.control.mode)}};
  config["http"] = {{"listen", model.http.listen}};
  if (model.registry) config["registry"] = encode_registry(*model.registry);
  if (model.remote) config["remote"] = encode_remote(*model.remote);
  if (model.audit != AuditModel{}) config["audit"] = encode_audit(model.audit);
  if (model.events != EventsModel()) config["events"] = encode_events(model.events);
  if (model.flow_log) config["flow_log"] = encode_flow_log(*model.flow_log);
  if (model.tracing) config["tracing"] = encode_tracing(*model.tracing);
  config["log"] = {{"level", model.log.level}, {"format", model.log.format}};
  if (!model.log.levels.empty()) config["log"]["levels"] = model.log.levels;
  return config;
}

json to_json(const Model& model) {
  json config = settings_to_json(model);
  config["pools"] = encode_list(model.pools, [](const auto& entry) { return to_json(*entry.second); });
  config["services"] = encode_list(model.services, [](const auto& entry) { return to_json(*entry.second); });
  return config;
}

}  // namespace sluice::ctrl
