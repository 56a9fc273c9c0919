// Small families of series for MetricsText. Control thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/shared_map.h"
#include "ctrl/telemetry/metric_table.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

inline constexpr double kNanosecondsPerSecond = 1e9;

inline prometheus::ClientMetric sample(prometheus::MetricType type, double value,
                                       std::vector<prometheus::ClientMetric::Label> labels = {}) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

/// A family of the table, which `fill` fills.
template <typename Fill>
MetricSource family(const MetricRow& row, Fill fill) {
  return {std::string(row.name), std::string(row.help), row.type, std::move(fill)};
}

/// A family that is small enough to be made at once: `make(add)` calls `add(value, labels)` for each sample.
template <typename Make>
MetricSource whole(const MetricRow& row, Make make) {
  using Labels = std::vector<prometheus::ClientMetric::Label>;
  return family(row, [type = row.type, make](auto& samples) {
    make([&](double value, Labels labels) { samples.push_back(sample(type, value, std::move(labels))); });
    return false;
  });
}

template <typename Object>
using Named = SharedMap<Object>;

/// A family that goes over the objects of a map, some at a call: `make(object, add)`.
template <typename Object, typename Make>
MetricSource over(const MetricRow& row, const std::shared_ptr<const Named<Object>>& objects, Make make) {
  constexpr size_t kSamplesAtOnce = 2000;
  return family(row, [type = row.type, objects, make,
                      position = objects->begin()](std::vector<prometheus::ClientMetric>& samples) mutable {
    const auto add = [&](double value, std::vector<prometheus::ClientMetric::Label> labels) {
      samples.push_back(sample(type, value, std::move(labels)));
    };
    while (position != objects->end() && samples.size() < kSamplesAtOnce) make(*(position++)->second, add);
    return position != objects->end();
  });
}

}  // namespace sluice::ctrl
