#include "sluicectl/top.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_map>
#include <vector>

#include "sluicectl/render.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

double number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

class Rates {
 public:
  Rates(const TopReading& before, const TopReading& now)
      : seconds_(std::max(now.seconds - before.seconds, 1e-3)) {}
  /// A second; a counter that began anew counts from zero.
  double of(double before, double now) const { return (now >= before ? now - before : now) / seconds_; }
  double of(const json& before, const json& now, const char* name) const {
    return of(number(before, name), number(now, name));
  }

 private:
  double seconds_;
};

/// The object of `list` whose `key` is the same as `like`'s; an empty one where there is none.
const json& same(const json& list, const json& like, const char* key) {
  static const json kNone = json::object();
  const auto found = std::ranges::find_if(list, [&](const json& item) { return item[key] == like[key]; });
  return found == list.end() ? kNone : *found;
}

json port_rows(const TopReading& before, const TopReading& now, const Rates& rates) {
  json rows = json::array();
  for (const auto& port : now.stats["ports"]) {
    const json& old = same(before.stats["ports"], port, "port");
    rows.push_back({{"port", port["port"]},
                    {"rx_pps", short_number(rates.of(old, port, "received_packets"))},
                    {"rx_bps", short_number(8 * rates.of(old, port, "received_bytes"))},
                    {"tx_pps", short_number(rates.of(old, port, "transmitted_packets"))},
                    {"tx_bps", short_number(8 * rates.of(old, port, "transmitted_bytes"))},
                    {"missed", short_number(rates.of(old, port, "missed_packets"))}});
  }
  return rows;
}

json worker_rows(const TopReading& before, const TopReading& now, const Rates& rates) {
  json rows = json::array();
  for (const auto& worker : now.stats["workers"]) {
    const json& old = same(before.stats["workers"], worker, "worker");
    const double busy = rates.of(old, worker, "busy_cycles");
    const double all = busy + rates.of(old, worker, "idle_cycles");
    std::array<char, 16> percent;
    std::snprintf(percent.data(), percent.size(), "%.1f%%", all > 0 ? 100 * busy / all : 0.0);
    rows.push_back({{"worker", worker["worker"]},
                    {"cpu", worker["cpu"]},
                    {"role", worker["role"]},
                    {"busy", percent.data()},
                    {"flows", worker["flow_entries"]}});
  }
  return rows;
}

json service_rows(const TopReading& before, const TopReading& now, const Rates& rates, size_t count) {
  std::unordered_map<std::string, const json*> earlier;
  for (const auto& service : before.services) earlier.emplace(service.value("service", ""), &service);
  struct Busy {
    double packets;
    const json* now;
    const json* before;
  };
  static const json kNone = json::object();
  std::vector<Busy> busiest;
  for (const auto& service : now.services) {
    const auto old = earlier.find(service.value("service", ""));
    const json* old_row = old == earlier.end() ? &kNone : old->second;
    busiest.push_back({rates.of(*old_row, service, "packets"), &service, old_row});
  }
  std::ranges::stable_sort(busiest, std::greater{}, &Busy::packets);
  busiest.resize(std::min(busiest.size(), count));
  json rows = json::array();
  for (const auto& row : busiest) {
    rows.push_back({{"service", (*row.now)["service"]},
                    {"pps", short_number(row.packets)},
                    {"bps", short_number(8 * rates.of(*row.before, *row.now, "bytes"))},
                    {"flows_per_s", short_number(rates.of(*row.before, *row.now, "flows"))},
                    {"active", (*row.now)["active_flows"]}});
  }
  return rows;
}

/// Those that are not active first, then those with the most flows.
json backend_rows(const TopReading& now, size_t count) {
  std::vector<const json*> backends;
  for (const auto& backend : now.backends) backends.push_back(&backend);
  const auto is_active = [](const json& backend) { return backend.value("state", "") == "active"; };
  std::ranges::stable_sort(backends, [&](const json* a, const json* b) {
    if (is_active(*a) != is_active(*b)) return is_active(*b);
    return number(*a, "active_flows") > number(*b, "active_flows");
  });
  backends.resize(std::min(backends.size(), count));
  json rows = json::array();
  for (const json* backend : backends) rows.push_back(*backend);
  return rows;
}

json drop_rows(const TopReading& before, const TopReading& now, const Rates& rates) {
  json rows = json::array();
  for (const auto& [reason, count] : now.drops.items()) {
    const double rate = rates.of(before.drops, now.drops, reason.c_str());
    if (rate > 0) rows.push_back({{"drop_reason", reason}, {"pps", short_number(rate)}, {"total", count}});
  }
  return rows;
}

std::string section(const json& rows, const std::vector<std::string_view>& columns) {
  return rows.empty() ? "" : "\n" + render_table(rows, columns);
}

std::string first_lines(const std::string& text, size_t lines) {
  size_t end = 0;
  for (; lines > 0 && end < text.size(); --lines) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

}  // namespace

std::string short_number(double value) {
  constexpr std::array kUnits = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), unit == 0 && value >= 10 ? "%.0f%s" : "%.3g%s", value,
                kUnits[unit]);
  return text.data();
}

std::string render_top_line(const TopReading& before, const TopReading& now) {
  const Rates rates(before, now);
  double flows = 0;
  for (const auto& worker : now.stats["workers"]) flows += number(worker, "flow_entries");
  return "generation " + now.stats["generation"].dump() + "  received " +
         short_number(rates.of(before.stats, now.stats, "received_packets")) + "/s  transmitted " +
         short_number(rates.of(before.stats, now.stats, "transmitted_packets")) + "/s  dropped " +
         short_number(rates.of(before.stats, now.stats, "dropped_packets")) + "/s  flows " +
         short_number(flows) + "\n";
}

std::string render_top(const TopReading& before, const TopReading& now, size_t lines) {
  constexpr size_t kServices = 15;
  constexpr size_t kBackends = 15;
  const Rates rates(before, now);
  const std::string screen =
      render_top_line(before, now) +
      section(port_rows(before, now, rates), {"port", "rx_pps", "rx_bps", "tx_pps", "tx_bps", "missed"}) +
      section(worker_rows(before, now, rates), {"worker", "cpu", "role", "busy", "flows"}) +
      section(drop_rows(before, now, rates), {"drop_reason", "pps", "total"}) +
      section(service_rows(before, now, rates, kServices),
              {"service", "pps", "bps", "flows_per_s", "active"}) +
      section(backend_rows(now, kBackends),
              {"pool", "address", "port", "state", "reason", "share", "active_flows"});
  return first_lines(screen, lines);
}

}  // namespace sluice::sluicectl
