// The ledger's series, as sources for MetricsText. Control thread.
#pragma once

#include <vector>

#include "ctrl/telemetry/metrics_text.h"
#include "dataplane/roles/ledger_plane.h"

namespace sluice::ctrl {

/// The sources read their numbers when asked; `ledger` outlives them.
void add_ledger_series(std::vector<MetricSource>& sources, const dataplane::LedgerPlane& ledger);

/// One sample with Prometheus' cumulative buckets; bounds and sum are divided by `unit`.
prometheus::ClientMetric histogram_sample(const HistogramReading& reading, double unit);

}  // namespace sluice::ctrl
