// What becomes of copies for mirrors. Control thread.
#pragma once

#include <vector>

#include "ctrl/store/gateway.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// Nothing where no service is mirrored.
void add_mirror_series(std::vector<MetricSource>& sources, const Gateway& gateway);

}  // namespace sluice::ctrl
