#include "sim/replay/report_json.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sluicectl/render.h"

namespace sluice::sim {
namespace {

using nlohmann::json;
using Verdict = dataplane::Explanation::Verdict;

const char* protocol_name(IpProtocol protocol) {
  return protocol == IpProtocol::kTcp ? "tcp" : "udp";
}

json drops_object(const std::map<dataplane::DropReason, uint64_t>& dropped) {
  json object = json::object();
  for (const auto& [reason, count] : dropped) object[std::string(dataplane::name_of(reason))] = count;
  return object;
}

json flow_object(const ReplayedFlow& flow, const std::vector<std::string>& ports, uint64_t first) {
  const bool is_dropped = flow.decision.verdict == Verdict::kDropped;
  const bool has_backend = flow.backend && !is_dropped;
  return {
      {"time", static_cast<double>(flow.since_1970_ns - first) / 1e9},
      {"port", ports[flow.port]},
      {"protocol", protocol_name(flow.key.protocol)},
      {"source", endpoint_text(flow.key.source, flow.key.source_port.host())},
      {"destination", endpoint_text(flow.key.destination, flow.key.destination_port.host())},
      {"service", flow.service ? json(*flow.service) : json(nullptr)},
      {"pool", has_backend ? json(flow.backend->pool) : json(nullptr)},
      {"backend",
       has_backend ? json(endpoint_text(flow.backend->address, flow.backend->port)) : json(nullptr)},
      {"drop_reason", is_dropped ? json(dataplane::name_of(flow.decision.drop)) : json(nullptr)},
      {"packets", flow.packets},
      {"bytes", flow.bytes},
      {"dropped", drops_object(flow.dropped)},
  };
}

json ports_array(const std::vector<ctrl::PortTotals>& ports) {
  json all = json::array();
  for (const ctrl::PortTotals& port : ports) {
    all.push_back({{"name", port.name},
                   {"received_packets", port.received_packets},
                   {"received_bytes", port.received_bytes},
                   {"transmitted_packets", port.transmitted_packets},
                   {"transmitted_bytes", port.transmitted_bytes}});
  }
  return all;
}

std::string flow_name(const json& flow) {
  return flow["protocol"].get<std::string>() + " " + flow["source"].get<std::string>() + " " +
         flow["destination"].get<std::string>();
}

/// `web 10.20.0.11:8080`, or why it was dropped.
std::string fate(const json& flow) {
  if (flow["backend"].is_null()) {
    return "dropped " + (flow["drop_reason"].is_null() ? "" : flow["drop_reason"].get<std::string>());
  }
  return flow["pool"].get<std::string>() + " " + flow["backend"].get<std::string>();
}

std::string seconds_text(double seconds) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.6f", seconds);
  return text.data();
}

/// What stands in a line of its own.
std::string line(const std::string& title, const json& counts) {
  std::string text;
  for (const auto& [name, count] : counts.items()) {
    if (count != 0) text += " " + name + "=" + count.dump();
  }
  return title + ":" + (text.empty() ? " none" : text) + "\n";
}

}  // namespace

json report_object(const ReplayCounts& counts, const std::vector<ReplayedFlow>& flows,
                   const std::vector<std::string>& ports, uint64_t first) {
  const ctrl::TrafficTotals& totals = counts.totals;
  json drops = json::object();
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    if (dataplane::kDropReasonNames[i].empty()) continue;
    drops[std::string(dataplane::kDropReasonNames[i])] = totals.dropped[i];
  }
  json listed = json::array();
  uint64_t answers = 0;
  for (const ReplayedFlow& flow : flows) {
    if (flow.is_answer) {
      answers += flow.packets;
    } else {
      listed.push_back(flow_object(flow, ports, first));
    }
  }
  const uint64_t ended = totals.transmitted + totals.all_dropped() + totals.consumed;
  return {{"duration", static_cast<double>(counts.duration_ns) / 1e9},
          {"packets",
           {{"received", totals.received},
            {"originated", totals.originated},
            {"transmitted", totals.transmitted},
            {"dropped", totals.all_dropped()},
            {"consumed", totals.consumed},
            {"waiting", totals.received + totals.originated - ended}}},
          {"ports", ports_array(totals.ports)},
          {"drops", std::move(drops)},
          {"flows", std::move(listed)},
          {"answer_packets", answers}};
}

json neighbors_array(const AssumedNeighbors::Known& neighbors, const std::vector<std::string>& ports) {
  json all = json::array();
  for (const auto& [asked, mac] : neighbors) {
    all.push_back(
        {{"port", ports[asked.first]}, {"address", asked.second.to_string()}, {"mac", mac.to_string()}});
  }
  return all;
}

json moved_flows(const json& before, const json& after) {
  std::map<std::string, std::string> fates;
  for (const json& flow : after["flows"]) fates.emplace(flow_name(flow), fate(flow));
  json moved = json::array();
  for (const json& flow : before["flows"]) {
    const auto then = fates.find(flow_name(flow));
    const std::string to = then == fates.end() ? "another flow's answer" : then->second;
    if (to == fate(flow)) continue;
    moved.push_back({{"protocol", flow["protocol"]},
                     {"source", flow["source"]},
                     {"destination", flow["destination"]},
                     {"service", flow["service"]},
                     {"from", fate(flow)},
                     {"to", to}});
  }
  return moved;
}

std::string report_text(const json& report) {
  using sluicectl::render_table;
  std::string text = line("packets", report["packets"]) + line("drops", report["drops"]);
  text += "\n" + render_table(report["ports"], {});
  if (!report["flows"].empty()) {
    json rows = json::array();
    for (const json& flow : report["flows"]) {
      json row = flow;
      std::string dropped;
      for (const auto& [reason, count] : flow["dropped"].items()) {
        dropped += (dropped.empty() ? "" : " ") + reason + "=" + count.dump();
      }
      row["time"] = seconds_text(flow["time"].get<double>());
      row["to"] = fate(flow);
      row["dropped"] = dropped;
      rows.push_back(std::move(row));
    }
    text += "\n" + render_table(rows, {"time", "protocol", "source", "destination", "service", "to",
                                       "packets", "bytes", "dropped"});
  }
  if (report.contains("moved")) {
    text += "\n" + std::to_string(report["moved"].size()) + " of " + std::to_string(report["flows"].size()) +
            " flows would move\n";
    if (!report["moved"].empty()) text += render_table(report["moved"], {});
  }
  if (!report["assumed_neighbors"].empty()) text += "\n" + render_table(report["assumed_neighbors"], {});
  return text;
}

}  // namespace sluice::sim
