#include "ctrl/telemetry/health_metrics.h"

#include <map>
#include <memory>
#include <string>

#include "ctrl/intent/config_values.h"
#include "ctrl/observed/backend_status.h"
#include "ctrl/observed/backend_statuses.h"
#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_health_series(std::vector<MetricSource>& sources, const Gateway& gateway,
                       const HealthChecks& checks) {
  const auto model = gateway.model();
  const std::shared_ptr<const Named<PoolModel>> pools(model, &model->pools);
  const auto effective = gateway.effective();
  const std::shared_ptr<const Named<EffectivePool>> effective_pools(effective, &effective->pools);
  // The samples are made on another thread than the checks are.
  const auto counts = std::make_shared<const std::map<std::string, HealthChecks::Counts>>(checks.counts());
  sources.push_back(over<PoolModel>(
      metric("sluice_pool_available_backends"), pools, [&gateway](const PoolModel& pool, auto add) {
        add(static_cast<double>(gateway.availability(pool.name).available), {{"pool", pool.name}});
      }));
  sources.push_back(over<EffectivePool>(metric("sluice_backend_transitions_total"), effective_pools,
                                        [&gateway](const EffectivePool& pool, auto add) {
                                          const std::string& name = pool.intent->name;
                                          for (const EffectiveBackend& backend : pool.backends) {
                                            const auto& [address, port] = backend.at;
                                            const auto status = gateway.status_of({name, address, port});
                                            if (!status) continue;  // removed since the scrape began
                                            add(static_cast<double>(status->transitions),
                                                {{"pool", name}, {"backend", endpoint_text(address, port)}});
                                          }
                                        }));
  sources.push_back(
      over<PoolModel>(metric("sluice_health_checks_total"), pools, [counts](const PoolModel& pool, auto add) {
        const auto found = counts->find(pool.name);
        if (found == counts->end()) return;  // not checked
        const HealthChecks::Counts& counted = found->second;
        add(static_cast<double>(counted.passed), {{"pool", pool.name}, {"result", "passed"}});
        add(static_cast<double>(counted.failed), {{"pool", pool.name}, {"result", "failed"}});
        add(static_cast<double>(counted.unknown), {{"pool", pool.name}, {"result", "unknown"}});
      }));
}

}  // namespace sluice::ctrl
