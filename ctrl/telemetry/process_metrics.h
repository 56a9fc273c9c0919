// What every Prometheus client library says of its process, under the names that they all use. Control
// thread.
#pragma once

#include <vector>

#include "ctrl/telemetry/metrics_text.h"

namespace sluice::ctrl {

/// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds,
/// process_max_fds, process_start_time_seconds and process_threads, read from /proc/self when asked. What
/// cannot be read has no sample.
void add_process_series(std::vector<MetricSource>& sources);

}  // namespace sluice::ctrl
