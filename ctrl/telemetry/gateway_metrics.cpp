#include "ctrl/telemetry/gateway_metrics.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/log/log.h"
#include "ctrl/store/event_hub.h"
#include "ctrl/store/traffic_totals.h"
#include "ctrl/telemetry/flow_metrics.h"
#include "ctrl/telemetry/handshake_metrics.h"
#include "ctrl/telemetry/ledger_metrics.h"
#include "ctrl/telemetry/metric_family.h"
#include "ctrl/telemetry/mirror_metrics.h"
#include "ctrl/telemetry/process_metrics.h"
#include "ctrl/telemetry/snat_metrics.h"
#include "ctrl/telemetry/trace_metrics.h"
#include "ctrl/telemetry/tunnel_metrics.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

void add_gateway_series(std::vector<MetricSource>& sources, const Gateway& gateway,
                        const std::string& version) {
  sources.push_back(whole(metric("sluice_build_info"), [version](auto add) {
    add(1, {{"version", version}});
  }));
  sources.push_back(whole(metric("sluice_config_generation"),
                          [&gateway](auto add) { add(static_cast<double>(gateway.generation()), {}); }));
  sources.push_back(whole(metric("sluice_config_last_apply_successful"),
                          [&gateway](auto add) { add(gateway.last_apply_succeeded() ? 1 : 0, {}); }));
  sources.push_back(whole(metric("sluice_log_lost_total"),
                          [](auto add) { add(static_cast<double>(log_lines_lost()), {}); }));
  sources.push_back(whole(metric("sluice_log_repeats_total"),
                          [](auto add) { add(static_cast<double>(log_lines_left_out()), {}); }));
  sources.push_back(whole(metric("sluice_events_dropped_total"), [&events = gateway.events()](auto add) {
    for (size_t sink = 0; sink < kEventSinks.size(); ++sink) {
      add(static_cast<double>(events.dropped(static_cast<EventSink>(sink))),
          {{"sink", std::string(kEventSinks[sink])}});
    }
  }));
}

void add_traffic_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto totals = std::make_shared<const TrafficTotals>(traffic_totals(gateway.data_plane()));
  constexpr std::array<std::pair<MetricRow, uint64_t PortTotals::*>, 5> kSeries = {{
      {metric("sluice_port_received_packets_total"), &PortTotals::received_packets},
      {metric("sluice_port_received_bytes_total"), &PortTotals::received_bytes},
      {metric("sluice_port_transmitted_packets_total"), &PortTotals::transmitted_packets},
      {metric("sluice_port_transmitted_bytes_total"), &PortTotals::transmitted_bytes},
      {metric("sluice_port_missed_packets_total"), &PortTotals::missed_packets},
  }};
  for (const auto& [row, field] : kSeries) {
    sources.push_back(whole(row, [totals, field = field](auto add) {
      for (const auto& port : totals->ports) add(static_cast<double>(port.*field), {{"port", port.name}});
    }));
  }
  sources.push_back(whole(metric("sluice_port_link_up"), [ports = gateway.data_plane().ports()](auto add) {
    for (const auto& port : ports) add(port.link_up ? 1 : 0, {{"port", port.name}});
  }));
  sources.push_back(whole(metric("sluice_dropped_packets_total"), [totals](auto add) {
    for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
      add(static_cast<double>(totals->dropped[i]), {{"reason", std::string(dataplane::kDropReasonNames[i])}});
    }
  }));
}

void add_worker_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto& data_plane = gateway.data_plane();
  const auto of_balancers = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [&data_plane, value](auto add) {
      for (const auto& worker : data_plane.workers()) {
        if (!worker.balances) continue;
        add(static_cast<double>(value(worker, data_plane.stats(worker.index))),
            {{"worker", std::to_string(worker.index)}});
      }
    }));
  };
  using dataplane::WorkerInfo;
  using dataplane::WorkerStats;
  of_balancers(metric("sluice_flow_table_entries"),
               [](const WorkerInfo&, const WorkerStats& stats) { return stats.flow_entries.read(); });
  of_balancers(metric("sluice_flow_table_capacity"),
               [](const WorkerInfo& worker, const WorkerStats&) { return worker.flow_capacity; });
  of_balancers(metric("sluice_flow_table_full_total"),
               [](const WorkerInfo&, const WorkerStats& stats) { return stats.flow_table_full.read(); });
  of_balancers(metric("sluice_snat_ports_reused_total"),
               [](const WorkerInfo&, const WorkerStats& stats) { return stats.snat_ports_reused.read(); });
  of_balancers(metric("sluice_snat_ports_in_use"),
               [](const WorkerInfo&, const WorkerStats& stats) { return stats.snat_ports_in_use.read(); });
  sources.push_back(whole(metric("sluice_flow_evicted_total"), [&data_plane](auto add) {
    uint64_t answered = 0, unanswered = 0, closing = 0;
    for (const auto& worker : data_plane.workers()) {
      const auto& evicted = data_plane.stats(worker.index).flows_evicted;
      answered += evicted.answered.read();
      unanswered += evicted.unanswered.read();
      closing += evicted.closing.read();
    }
    add(static_cast<double>(answered), {{"state", "answered"}});
    add(static_cast<double>(unanswered), {{"state", "unanswered"}});
    add(static_cast<double>(closing), {{"state", "closing"}});
  }));
  sources.push_back(whole(metric("sluice_worker_busy_ratio"), [&gateway, &data_plane](auto add) {
    const size_t workers = data_plane.polls().size();
    for (unsigned i = 0; i < workers; ++i) add(gateway.busy_ratio(i), {{"worker", std::to_string(i)}});
  }));
  sources.push_back(family(metric("sluice_worker_long_turn_seconds"), [&data_plane](auto& samples) {
    for (const auto& worker : data_plane.workers()) {
      samples.push_back(
          histogram_sample(data_plane.stats(worker.index).long_turns.read(), kNanosecondsPerSecond));
      samples.back().label.push_back({"worker", std::to_string(worker.index)});
    }
    return false;
  }));
  sources.push_back(whole(metric("sluice_ring_full_total"),
                          [&data_plane, has_ledger = gateway.ledger() != nullptr](auto add) {
                            const auto workers = data_plane.workers();
                            if (workers.size() < 2 && !has_ledger) return;  // no rings
                            for (const auto& worker : workers) {
                              add(static_cast<double>(data_plane.stats(worker.index).ring_full.read()),
                                  {{"ring", "worker-" + std::to_string(worker.index)}});
                            }
                          }));
}

/// What workers notice on the links, by the port or by who noticed.
void add_notice_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  using dataplane::NoticeKind;
  const auto& data_plane = gateway.data_plane();
  sources.push_back(whole(metric("sluice_address_conflicts_total"), [&data_plane](auto add) {
    const auto ports = data_plane.ports();
    for (size_t port = 0; port < ports.size(); ++port) {
      uint64_t sum = 0;
      for (const auto& worker : data_plane.workers()) {
        sum += data_plane.notices(worker.index).counted(NoticeKind::kAddressConflict, port);
      }
      add(static_cast<double>(sum), {{"port", ports[port].name}});
    }
  }));
  const auto of_workers = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [&data_plane, value](auto add) {
      const size_t ports = data_plane.ports().size();
      for (const auto& worker : data_plane.workers()) {
        add(static_cast<double>(value(data_plane.notices(worker.index), ports)),
            {{"worker", std::to_string(worker.index)}});
      }
    }));
  };
  const auto sum_of = [](NoticeKind kind) {
    return [kind](const dataplane::Notices& notices, size_t ports) {
      uint64_t sum = 0;
      for (size_t port = 0; port < ports; ++port) sum += notices.counted(kind, port);
      return sum;
    };
  };
  of_workers(metric("sluice_neighbor_changes_total"), sum_of(NoticeKind::kNeighborChanged));
  of_workers(metric("sluice_neighbor_contests_total"), sum_of(NoticeKind::kNeighborContested));
  sources.push_back(whole(metric("sluice_neighbor_copies_withheld_total"), [&data_plane](auto add) {
    for (const auto& worker : data_plane.workers()) {
      add(static_cast<double>(data_plane.stats(worker.index).neighbor_copies_withheld.read()),
          {{"worker", std::to_string(worker.index)}});
    }
  }));
  of_workers(metric("sluice_notices_lost_total"),
             [](const dataplane::Notices& notices, size_t) { return notices.lost(); });
}

void add_service_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto model = gateway.model();
  const std::shared_ptr<const Named<ServiceModel>> services(model, &model->services);
  constexpr std::array<std::pair<MetricRow, uint64_t Totals::*>, 3> kSeries = {{
      {metric("sluice_service_packets_total"), &Totals::packets},
      {metric("sluice_service_bytes_total"), &Totals::bytes},
      {metric("sluice_service_flows_total"), &Totals::flows},
  }};
  for (const auto& [row, field] : kSeries) {
    sources.push_back(
        over<ServiceModel>(row, services, [&gateway, field = field](const ServiceModel& service, auto add) {
          add(static_cast<double>(gateway.service_totals(service.name).*field), {{"service", service.name}});
        }));
  }
  constexpr std::array<std::pair<MetricRow, uint64_t Totals::*>, 2> kAnswers = {{
      {metric("sluice_service_return_packets_total"), &Totals::answer_packets},
      {metric("sluice_service_return_bytes_total"), &Totals::answer_bytes},
  }};
  for (const auto& [row, field] : kAnswers) {
    sources.push_back(
        over<ServiceModel>(row, services, [&gateway, field = field](const ServiceModel& service, auto add) {
          if (!lb::is_nat(service.forward)) return;  // its backends' answers do not come by here
          add(static_cast<double>(gateway.service_totals(service.name).*field), {{"service", service.name}});
        }));
  }
}

/// What one scrape tells of backends: read once, pool by pool, with the first series that asks. 100,000 of
/// them are 6 MiB, so a reading has what is shown and no text.
class BackendReadings {
 public:
  static constexpr std::array<uint64_t Totals::*, 4> kTotals = {&Totals::packets, &Totals::bytes,
                                                                &Totals::flows, &Totals::active_flows};
  struct Reading {
    IpAddress address;
    std::array<uint64_t, kTotals.size()> totals;
    uint16_t port;
    lb::BackendState state;

    std::string label() const { return endpoint_text(address, port); }
  };

  explicit BackendReadings(const Gateway& gateway) : gateway_(gateway) {}

  /// Empty where the pool has been removed since the scrape began.
  const std::vector<Reading>& of(const PoolModel& pool) {
    const auto [place, is_new] = pools_.try_emplace(&pool);
    if (!is_new) return place->second;
    const auto rows = gateway_.backends(pool.name);
    if (rows) {
      place->second.reserve(rows->size());
      for (const auto& row : *rows) {
        Reading reading{row.key.address, {}, row.key.port, row.state};
        for (size_t i = 0; i < kTotals.size(); ++i) reading.totals[i] = row.totals.*kTotals[i];
        place->second.push_back(reading);
      }
    }
    return place->second;
  }

 private:
  const Gateway& gateway_;
  std::unordered_map<const PoolModel*, std::vector<Reading>> pools_;  // which the scrape's model keeps alive
};

void add_backend_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto model = gateway.model();
  const std::shared_ptr<const Named<PoolModel>> pools(model, &model->pools);
  const auto readings = std::make_shared<BackendReadings>(gateway);
  constexpr std::array<MetricRow, BackendReadings::kTotals.size()> kSeries = {{
      metric("sluice_backend_packets_total"),
      metric("sluice_backend_bytes_total"),
      metric("sluice_backend_flows_total"),
      metric("sluice_backend_active_flows"),
  }};
  for (size_t i = 0; i < kSeries.size(); ++i) {
    sources.push_back(over<PoolModel>(kSeries[i], pools, [readings, i](const PoolModel& pool, auto add) {
      for (const auto& backend : readings->of(pool)) {
        add(static_cast<double>(backend.totals[i]), {{"pool", pool.name}, {"backend", backend.label()}});
      }
    }));
  }
  sources.push_back(
      over<PoolModel>(metric("sluice_backend_state"), pools, [readings](const PoolModel& pool, auto add) {
        constexpr std::array kStates = {lb::BackendState::kActive, lb::BackendState::kDraining,
                                        lb::BackendState::kDown, lb::BackendState::kMaintenance};
        for (const auto& backend : readings->of(pool)) {
          const std::string label = backend.label();
          for (const auto state : kStates) {
            add(backend.state == state ? 1 : 0,
                {{"pool", pool.name}, {"backend", label}, {"state", word_for(state)}});
          }
        }
      }));
}

}  // namespace

std::vector<MetricSource> gateway_metrics(const Gateway& gateway, const std::string& version) {
  std::vector<MetricSource> sources;
  add_gateway_series(sources, gateway, version);
  add_process_series(sources);
  add_traffic_series(sources, gateway);
  add_worker_series(sources, gateway);
  add_notice_series(sources, gateway);
  add_service_series(sources, gateway);
  add_backend_series(sources, gateway);
  add_snat_series(sources, gateway);
  add_tunnel_series(sources, gateway);
  add_trace_series(sources, gateway);
  add_handshake_series(sources, gateway);
  add_flow_log_series(sources, gateway);
  add_mirror_series(sources, gateway);
  if (const auto* ledger = gateway.ledger()) add_ledger_series(sources, *ledger);
  return sources;
}

}  // namespace sluice::ctrl
