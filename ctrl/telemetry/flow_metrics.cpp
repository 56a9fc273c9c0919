#include "ctrl/telemetry/flow_metrics.h"

#include "ctrl/telemetry/metric_family.h"
#include "dataplane/tables/flow_lanes.h"

namespace sluice::ctrl {

void add_flow_log_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto lanes = gateway.flow_lanes();
  const uint64_t told = lanes ? lanes->told(lb::FlowReader::kLog) : 0;
  const uint64_t lost = lanes ? lanes->lost(lb::FlowReader::kLog) : 0;
  const auto add_one = [&](const MetricRow& row, uint64_t value) {
    sources.push_back(whole(row, [number = static_cast<double>(value)](auto add) { add(number, {}); }));
  };
  add_one(metric("sluice_flow_log_records_total"), told);
  add_one(metric("sluice_flow_log_lost_total"), lost);
}

}  // namespace sluice::ctrl
