// Every series of this gateway, as sources for MetricsText.
#pragma once

#include <string>
#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// The sources keep the pools and services of the model as it is now, and read their numbers when asked:
/// a scrape that goes on over a change of configuration stays in one piece. `gateway` outlives them. Making
/// them never waits; reading them may, and is for one thread at a time.
std::vector<MetricSource> gateway_metrics(const Gateway& gateway, const std::string& version);

}  // namespace sluice::ctrl
