// Small families of series for MetricsText. Control thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ctrl/metrics_text.h"

namespace sluice::ctrl {

inline prometheus::ClientMetric sample(prometheus::MetricType type, double value,
                                       std::vector<prometheus::ClientMetric::Label> labels = {}) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

/// A family that is small enough to be made at once: `make(add)` calls `add(value, labels)` for each sample.
template <typename Make>
MetricSource whole(prometheus::MetricType type, std::string name, std::string help, Make make) {
  using Labels = std::vector<prometheus::ClientMetric::Label>;
  return {
      std::move(name), std::move(help), type, [type, make](auto& samples) {
        make([&](double value, Labels labels) { samples.push_back(sample(type, value, std::move(labels))); });
        return false;
      }};
}

}  // namespace sluice::ctrl
