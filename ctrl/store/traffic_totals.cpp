#include "ctrl/store/traffic_totals.h"

#include <numeric>

namespace sluice::ctrl {

uint64_t TrafficTotals::all_dropped() const {
  return std::accumulate(dropped.begin(), dropped.end(), uint64_t{0});
}

std::string TrafficTotals::to_string() const {
  return "received=" + std::to_string(received) + " originated=" + std::to_string(originated) +
         " transmitted=" + std::to_string(transmitted) + " dropped=" + std::to_string(all_dropped()) +
         " consumed=" + std::to_string(consumed);
}

TrafficTotals traffic_totals(const dataplane::DataPlane& data_plane) {
  TrafficTotals totals;
  const auto ports = data_plane.ports();
  for (unsigned i = 0; i < ports.size(); ++i) {
    PortTotals port{.name = ports[i].name};
    for (const auto& worker : data_plane.workers()) {
      const auto& counters = data_plane.stats(worker.index).ports[i];
      port.received_packets += counters.received_packets.read();
      port.received_bytes += counters.received_bytes.read();
      port.transmitted_packets += counters.transmitted_packets.read();
      port.transmitted_bytes += counters.transmitted_bytes.read();
    }
    port.missed_packets = data_plane.device_counters(i).missed_packets;
    totals.received += port.received_packets;
    totals.transmitted += port.transmitted_packets;
    totals.ports.push_back(std::move(port));
  }
  for (const auto& worker : data_plane.workers()) {
    const auto& stats = data_plane.stats(worker.index);
    for (size_t i = 0; i < dataplane::kDropReasons; ++i) totals.dropped[i] += stats.dropped[i].read();
    totals.consumed += stats.consumed.read();
    totals.originated += stats.originated.read();
  }
  return totals;
}

}  // namespace sluice::ctrl
