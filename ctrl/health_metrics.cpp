#include "ctrl/health_metrics.h"

#include <memory>

#include "ctrl/config_values.h"
#include "ctrl/metric_family.h"

namespace sluice::ctrl {

using prometheus::MetricType;

void add_health_series(std::vector<MetricSource>& sources, const Gateway& gateway,
                       const HealthChecks& checks) {
  const auto pools = std::make_shared<const Named<PoolModel>>(gateway.model().pools);
  sources.push_back(over<PoolModel>(
      MetricType::Gauge, "sluice_pool_available_backends",
      "Backends of the pool that take new flows: active, and of a weight above 0.", pools,
      [&gateway](const PoolModel& pool, auto add) {
        add(static_cast<double>(gateway.statuses().pool(pool.name).available), {{"pool", pool.name}});
      }));
  sources.push_back(over<PoolModel>(
      MetricType::Counter, "sluice_backend_transitions_total", "How often the backend's state changed.",
      pools, [&gateway](const PoolModel& pool, auto add) {
        for (const auto& backend : pool.backends) {
          const auto* status = gateway.statuses().find({pool.name, backend.address, backend.port});
          if (status == nullptr) continue;  // removed since the scrape began
          add(static_cast<double>(status->transitions),
              {{"pool", pool.name}, {"backend", endpoint_text(backend.address, backend.port)}});
        }
      }));
  sources.push_back(over<PoolModel>(
      MetricType::Counter, "sluice_health_checks_total",
      "Health checks that ended, by result; unknown are those that could not be made.", pools,
      [&checks](const PoolModel& pool, auto add) {
        const auto found = checks.counts().find(pool.name);
        if (found == checks.counts().end()) return;  // not checked
        const HealthChecks::Counts& counts = found->second;
        add(static_cast<double>(counts.passed), {{"pool", pool.name}, {"result", "passed"}});
        add(static_cast<double>(counts.failed), {{"pool", pool.name}, {"result", "failed"}});
        add(static_cast<double>(counts.unknown), {{"pool", pool.name}, {"result", "unknown"}});
      }));
}

}  // namespace sluice::ctrl
