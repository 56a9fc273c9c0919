// What became of spans. Control thread.
#pragma once

#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

void add_trace_series(std::vector<MetricSource>& sources, const Gateway& gateway);

}  // namespace sluice::ctrl
