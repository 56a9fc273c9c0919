// How long backends take to answer, of services whose answers come by the gateway; and pools in panic.
// Control thread.
#pragma once

#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

void add_handshake_series(std::vector<MetricSource>& sources, const Gateway& gateway);

}  // namespace sluice::ctrl
