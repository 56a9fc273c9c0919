// Series about sources of backends, and about how fast changes come to be. Control thread.
#pragma once

#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// The sources of samples read their numbers when asked; the gateway outlives them.
void add_source_series(std::vector<MetricSource>& sources, const Gateway& gateway);

}  // namespace sluice::ctrl
