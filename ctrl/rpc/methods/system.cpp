#include <unistd.h>

#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json port_objects(const dataplane::DataPlane& data_plane) {
  json ports = json::array();
  for (const auto& port : data_plane.ports()) {
    ports.push_back({{"name", port.name},
                     {"driver", port.driver},
                     {"mac", port.mac.to_string()},
                     {"mtu", port.mtu},
                     {"link_up", port.link_up},
                     {"kernel_interface", port.kernel_interface}});
  }
  return ports;
}

json worker_objects(const dataplane::DataPlane& data_plane) {
  json workers = json::array();
  for (const auto& worker : data_plane.workers()) {
    workers.push_back({{"index", worker.index},
                       {"cpu", worker.cpu},
                       {"role", worker.role},
                       {"balances", worker.balances},
                       {"flow_capacity", worker.flow_capacity}});
  }
  for (const auto& worker : data_plane.hash_workers()) {
    workers.push_back({{"index", worker.index},
                       {"cpu", worker.cpu},
                       {"role", "hash_worker"},
                       {"balances", false},
                       {"flow_capacity", 0}});
  }
  return workers;
}

void info(MethodContext& context, const Call& call, Reply reply) {
  const Gateway& gateway = context.gateway;
  const auto* ledger = gateway.ledger();
  const auto uptime = std::chrono::system_clock::now() - context.facts.started;
  reply(json{{"name", gateway.model()->gateway_name},
             {"version", context.facts.version},
             {"pid", ::getpid()},
             {"started", time_text(context.facts.started)},
             {"uptime_seconds", std::chrono::duration<double>(uptime).count()},
             {"config_file", context.facts.config_file},
             {"generation", gateway.generation()},
             {"last_apply_successful", gateway.last_apply_succeeded()},
             {"role", name_of(call.peer.role)},
             {"sha256_engine", ledger ? json(ledger->engine()) : json(nullptr)},
             {"ports", port_objects(gateway.data_plane())},
             {"workers", worker_objects(gateway.data_plane())}});
}

void methods(MethodContext& context, const Call&, Reply reply) {
  json list = json::array();
  for (const auto& method : context.methods) {
    list.push_back({{"name", method.name},
                    {"role", name_of(method.role)},
                    {"help", method.help},
                    {"result", method.result},
                    {"params", params_schema(method)}});
  }
  reply(std::move(list));
}

void topology(MethodContext& context, const Call&, Reply reply) {
  const dataplane::DataPlane& data_plane = context.gateway.data_plane();
  json threads = json::array();
  for (const auto& thread : data_plane.threads()) {
    threads.push_back({{"name", thread.name},
                       {"role", thread.role},
                       {"cpu", thread.cpu ? json(*thread.cpu) : json(nullptr)},
                       {"numa_node", thread.numa_node < 0 ? json(nullptr) : json(thread.numa_node)}});
  }
  json rings = json::array();
  for (const auto& ring : data_plane.rings()) {
    rings.push_back({{"carries", ring.carries}, {"from", ring.from}, {"to", ring.to}, {"size", ring.size}});
  }
  reply(json{{"threads", std::move(threads)}, {"rings", std::move(rings)}});
}

}  // namespace

std::vector<Method> system_methods() {
  return {
      {"system.info",
       Role::kView,
       "What this gateway is: version, start, generation of the configuration, ports and workers.",
       "`{name, version, pid, started, uptime_seconds, config_file, generation, last_apply_successful, role, "
       "sha256_engine, ports, workers}`; `role` is the caller's own, `sha256_engine` the ledger's",
       {},
       info,
       Where::kLoop},
      {"system.methods",
       Role::kView,
       "Every method with its role and the schema of its parameters.",
       "a list of `{name, role, help, result, params}`",
       {},
       methods,
       Where::kLoop},
      {"system.topology",
       Role::kView,
       "Which threads carry packets and transactions, on which CPU, and which ring leads from whom to whom.",
       "`{threads: [{name, role, cpu, numa_node}], rings: [{carries, from, to, size}]}`; `cpu` and "
       "`numa_node` are null where the kernel chooses",
       {},
       topology,
       Where::kLoop},
  };
}

}  // namespace sluice::ctrl
