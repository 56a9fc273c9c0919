// Prometheus' text format a piece at a time, so that 100,000 backends need neither their text nor their
// samples in memory at once. One thread at a time.
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <vector>

namespace sluice::ctrl {

/// One family of series and where its samples come from.
struct MetricSource {
  std::string name;
  std::string help;
  prometheus::MetricType type;
  /// Adds some samples, a bounded number; false: those were the last. Of a histogram all at once.
  std::function<bool(std::vector<prometheus::ClientMetric>&)> fill;
};

/// A family without samples leaves no trace.
class MetricsText {
 public:
  explicit MetricsText(std::vector<MetricSource> sources) : sources_(std::move(sources)) {}

  /// Puts the next piece into `text`; false: there is none. A piece has some samples' worth of bytes, with
  /// the family's description before its first.
  bool next(std::string& text);

 private:
  std::vector<MetricSource> sources_;
  size_t current_ = 0;
  bool described_ = false;
};

}  // namespace sluice::ctrl
