#include "ctrl/telemetry/set_metrics.h"

#include "ctrl/observed/set_contents.h"
#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_set_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto each = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [&gateway, value](auto add) {
      for (const SetRow& set : gateway.sets()) add(value(set), {{"set", set.name}});
    }));
  };
  each(metric("sluice_set_prefixes"), [](const SetRow& set) { return static_cast<double>(set.prefixes); });
  each(metric("sluice_set_read_failures_total"),
       [](const SetRow& set) { return static_cast<double>(set.failures); });
  each(metric("sluice_set_read_timestamp_seconds"), [](const SetRow& set) {
    return std::chrono::duration<double>(set.read_at.time_since_epoch()).count();
  });
}

}  // namespace sluice::ctrl
