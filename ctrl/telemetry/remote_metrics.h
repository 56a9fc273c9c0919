// The series of remote control and of the audit. Control thread.
#pragma once

#include <cstdint>
#include <vector>

#include "ctrl/access/remote_counts.h"
#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

void add_remote_series(std::vector<MetricSource>& sources, const RemoteCounts& counts);
void add_audit_series(std::vector<MetricSource>& sources, uint64_t lost);

}  // namespace sluice::ctrl
