// How many ports full-nat has for each backend.
#pragma once

#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// As gateway_metrics().
void add_snat_series(std::vector<MetricSource>& sources, const Gateway& gateway);

}  // namespace sluice::ctrl
