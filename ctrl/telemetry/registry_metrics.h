// The series of what registers itself with this gateway. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

struct RegistryTotals {
  size_t instances = 0;
  size_t watchers = 0;
  uint64_t ended = 0;  ///< leases that nobody renewed
};

void add_registry_series(std::vector<MetricSource>& sources, const RegistryTotals& totals);

}  // namespace sluice::ctrl
