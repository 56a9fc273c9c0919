// Every series of this gateway, as sources for MetricsText. Control thread.
#pragma once

#include <string>
#include <vector>

#include "ctrl/gateway.h"
#include "ctrl/metrics_text.h"

namespace sluice::ctrl {

/// The sources keep the pools and services of the model as it is now, and read their numbers when asked:
/// a scrape that goes on over a change of configuration stays in one piece. `gateway` outlives them.
std::vector<MetricSource> gateway_metrics(const Gateway& gateway, const std::string& version);

}  // namespace sluice::ctrl
