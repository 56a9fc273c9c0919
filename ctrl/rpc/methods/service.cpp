#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "ctrl/intent/config_steering.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/service_table.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

std::string ports_text(const ServiceModel& service) {
  if (service.first_port == 0 && service.last_port == 65535) return "any";
  if (service.first_port == service.last_port) return std::to_string(service.first_port);
  return std::to_string(service.first_port) + "-" + std::to_string(service.last_port);
}

std::string address_text(const Prefix& prefix) {
  return prefix.length == (prefix.address.is_v4() ? 32 : 128) ? prefix.address.to_string()
                                                              : prefix.to_string();
}

void list_services(MethodContext& context, const Call&, Reply reply) {
  json rows = json::array();
  const auto model = context.gateway.model(), intent = context.gateway.intent();
  for (const auto& [name, service] : model->services) {
    const Totals totals = context.gateway.service_totals(name);
    json row{{"service", name},
             {"address", address_text(service->address)},
             {"port", ports_text(*service)},
             {"protocol", word_for(service->protocol)},
             {"policy", word_for(service->policy)},
             {"forward", word_for(service->forward)},
             {"pool", nullptr},
             {"pools", pools_of(*service)},
             {"origin", intent->services.contains(name) ? "file" : intent->services_from},
             {"packets", totals.packets},
             {"bytes", totals.bytes},
             {"flows", totals.flows},
             {"active_flows", totals.active_flows}};
    encode_steering(*service, row);
    rows.push_back(std::move(row));
  }
  reply(std::move(rows));
}

void table(MethodContext& context, const Call& call, Reply reply) {
  const auto& service = call.params["service"].get_ref<const std::string&>();
  std::optional<std::string> pool;
  if (call.params.contains("pool")) pool = call.params["pool"].get<std::string>();
  const auto table = context.gateway.table_of(service, pool);
  if (!table) return reply(tl::unexpected(table.error()));
  json answer = table_object(service, **table);
  if (pool) answer["pool"] = *pool;
  reply(std::move(answer));
}

}  // namespace

std::vector<Method> service_methods() {
  return {
      {"service.list",
       Role::kView,
       "Every service with its counters.",
       "a list of `{service, address, port, protocol, policy, forward, pool, pools, origin, split, routes, "
       "mirror, packets, bytes, flows, active_flows}`; `pool` is null where there is `split`, `pools` are "
       "all "
       "that its flows go to, `origin` is `file` or the source that brings it, `split`, `routes` and "
       "`mirror` are there where the configuration has them",
       {},
       list_services},
      {"service.table",
       Role::kView,
       "The Maglev table of a service, in a form that two gateways can compare.",
       "`{service, size, slots: {endpoint: count}, sha256}`, and `pool` where it was given; the hash is "
       "taken "
       "over the 19-byte endpoint of every slot in slot order",
       {{"service", ParamType::kString, true, "its name"},
        {"pool", ParamType::kString, false, "which of its pools; needed where it has several"}},
       table},
  };
}

}  // namespace sluice::ctrl
