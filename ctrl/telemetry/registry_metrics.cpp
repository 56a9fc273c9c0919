#include "ctrl/telemetry/registry_metrics.h"

#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_registry_series(std::vector<MetricSource>& sources, const RegistryTotals& totals) {
  using prometheus::MetricType;
  const auto one = [&](MetricType type, const char* name, const char* help, auto value) {
    sources.push_back(
        whole(type, name, help, [number = static_cast<double>(value)](auto add) { add(number, {}); }));
  };
  one(MetricType::Gauge, "sluice_registry_instances", "Instances that have registered themselves.",
      totals.instances);
  one(MetricType::Gauge, "sluice_registry_watchers", "Clients of the registry that wait for changes.",
      totals.watchers);
  one(MetricType::Counter, "sluice_registry_expired_total", "Leases that ended because nobody renewed them.",
      totals.ended);
}

}  // namespace sluice::ctrl
