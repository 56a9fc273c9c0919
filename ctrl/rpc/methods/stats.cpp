#include "ctrl/rpc/methods/methods.h"
#include "ctrl/store/traffic_totals.h"
#include "dataplane/tables/flow_lanes.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json port_totals(const TrafficTotals& totals) {
  json rows = json::array();
  for (const auto& port : totals.ports) {
    rows.push_back({{"port", port.name},
                    {"received_packets", port.received_packets},
                    {"received_bytes", port.received_bytes},
                    {"transmitted_packets", port.transmitted_packets},
                    {"transmitted_bytes", port.transmitted_bytes},
                    {"missed_packets", port.missed_packets}});
  }
  return rows;
}

json worker_totals(const dataplane::DataPlane& data_plane) {
  json rows = json::array();
  for (const auto& worker : data_plane.workers()) {
    const auto& stats = data_plane.stats(worker.index);
    rows.push_back({{"worker", worker.index},
                    {"cpu", worker.cpu},
                    {"role", worker.role},
                    {"busy_cycles", stats.busy_cycles.read()},
                    {"idle_cycles", stats.idle_cycles.read()},
                    {"flow_entries", stats.flow_entries.read()},
                    {"flow_capacity", worker.flow_capacity},
                    {"flow_table_full", stats.flow_table_full.read()},
                    {"flows_evicted",
                     {{"answered", stats.flows_evicted.answered.read()},
                      {"unanswered", stats.flows_evicted.unanswered.read()},
                      {"closing", stats.flows_evicted.closing.read()}}},
                    {"ring_full", stats.ring_full.read()},
                    {"neighbors", stats.neighbors.read()}});
  }
  return rows;
}

/// Null where nobody has asked for records of flows yet.
json flow_log_totals(const Gateway& gateway) {
  const auto lanes = gateway.flow_lanes();
  if (!lanes) return nullptr;
  return {{"records", lanes->told(lb::FlowReader::kLog)}, {"lost", lanes->lost(lb::FlowReader::kLog)}};
}

void get_stats(MethodContext& context, const Call&, Reply reply) {
  const auto& data_plane = context.gateway.data_plane();
  const auto totals = traffic_totals(data_plane);
  const auto uptime = std::chrono::system_clock::now() - context.facts.started;
  reply(json{{"generation", context.gateway.generation()},
             {"uptime_seconds", std::chrono::duration<double>(uptime).count()},
             {"received_packets", totals.received},
             {"originated_packets", totals.originated},
             {"transmitted_packets", totals.transmitted},
             {"dropped_packets", totals.all_dropped()},
             {"consumed_packets", totals.consumed},
             {"ports", port_totals(totals)},
             {"workers", worker_totals(data_plane)},
             {"flow_log", flow_log_totals(context.gateway)}});
}

}  // namespace

std::vector<Method> stats_methods() {
  return {
      {"stats.get",
       Role::kView,
       "What ports and workers have counted since the start.",
       "`{generation, uptime_seconds, received_packets, originated_packets, transmitted_packets, "
       "dropped_packets, consumed_packets, ports, workers, flow_log}`; at rest received + originated = "
       "transmitted + dropped + consumed. `flow_log` is `{records, lost}`, or null where nobody has asked "
       "for "
       "records of flows",
       {},
       get_stats,
       Where::kLoop},
  };
}

}  // namespace sluice::ctrl
