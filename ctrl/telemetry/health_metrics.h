// The series of health: checks, transitions, and who is available. Control thread.
#pragma once

#include <vector>

#include "ctrl/health/health_checks.h"
#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

void add_health_series(std::vector<MetricSource>& sources, const Gateway& gateway,
                       const HealthChecks& checks);

}  // namespace sluice::ctrl
