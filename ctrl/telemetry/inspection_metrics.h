// Series about inspections. Control thread.
#pragma once

#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// The sources of samples read their numbers when asked; the gateway outlives them.
void add_inspection_series(std::vector<MetricSource>& sources, const Gateway& gateway);

}  // namespace sluice::ctrl
