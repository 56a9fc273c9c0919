#include "ctrl/telemetry/tunnel_metrics.h"

#include <string>

#include "ctrl/telemetry/metric_family.h"
#include "ctrl/tunnel/tunnel_states.h"

namespace sluice::ctrl {

void add_tunnel_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto both_ways = [&](const MetricRow& row, uint64_t TunnelRow::*in, uint64_t TunnelRow::*out) {
    sources.push_back(whole(row, [&gateway, in, out](auto add) {
      for (const TunnelRow& tunnel : gateway.tunnels()) {
        add(static_cast<double>(tunnel.*in), {{"tunnel", tunnel.tunnel}, {"direction", "in"}});
        add(static_cast<double>(tunnel.*out), {{"tunnel", tunnel.tunnel}, {"direction", "out"}});
      }
    }));
  };
  both_ways(metric("sluice_tunnel_packets_total"), &TunnelRow::packets_in, &TunnelRow::packets_out);
  both_ways(metric("sluice_tunnel_bytes_total"), &TunnelRow::bytes_in, &TunnelRow::bytes_out);
  sources.push_back(whole(metric("sluice_tunnel_dropped_packets_total"), [&gateway](auto add) {
    for (const TunnelRow& tunnel : gateway.tunnels()) {
      for (size_t i = 0; i < tunnel.dropped.size(); ++i) {
        add(static_cast<double>(tunnel.dropped[i]),
            {{"tunnel", tunnel.tunnel}, {"reason", std::string(dataplane::kTunnelDropNames[i])}});
      }
    }
  }));
  sources.push_back(whole(metric("sluice_tunnel_up"), [&gateway](auto add) {
    for (const TunnelRow& tunnel : gateway.tunnels()) {
      const bool is_up = tunnel.state == TunnelCondition::kUp || tunnel.state == TunnelCondition::kHeld;
      add(is_up ? 1.0 : 0.0, {{"tunnel", tunnel.tunnel}});
    }
  }));
}

}  // namespace sluice::ctrl
