#include "ctrl/telemetry/registry_metrics.h"

#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_registry_series(std::vector<MetricSource>& sources, const RegistryTotals& totals) {
  const auto one = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [number = static_cast<double>(value)](auto add) { add(number, {}); }));
  };
  one(metric("sluice_registry_instances"), totals.instances);
  one(metric("sluice_registry_watchers"), totals.watchers);
  one(metric("sluice_registry_expired_total"), totals.ended);
}

}  // namespace sluice::ctrl
