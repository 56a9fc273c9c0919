#include "ctrl/telemetry/inspection_metrics.h"

#include "ctrl/observed/inspection_contents.h"
#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_inspection_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto each = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [&gateway, value](auto add) {
      for (const InspectionRow& inspection : gateway.inspections()) {
        add(static_cast<double>(value(inspection)), {{"inspection", inspection.name}});
      }
    }));
  };
  sources.push_back(whole(metric("sluice_inspection_matches_total"), [&gateway](auto add) {
    for (const InspectionRow& inspection : gateway.inspections()) {
      for (const InspectionRow::Rule& rule : inspection.rules) {
        add(static_cast<double>(rule.matches),
            {{"inspection", inspection.name}, {"rule", std::to_string(rule.id)}});
      }
    }
  }));
  each(metric("sluice_inspection_scanned_bytes_total"),
       [](const InspectionRow& row) { return row.scanned_bytes; });
  each(metric("sluice_inspection_held_dropped_total"),
       [](const InspectionRow& row) { return row.held_dropped; });
  each(metric("sluice_inspection_ambiguous_total"), [](const InspectionRow& row) { return row.ambiguous; });
  each(metric("sluice_inspection_streams_exceeded_total"),
       [](const InspectionRow& row) { return row.streams_exceeded; });
  each(metric("sluice_inspection_streams"), [](const InspectionRow& row) { return row.open_streams; });
  each(metric("sluice_inspection_ready"), [](const InspectionRow& row) { return row.is_ready; });
  each(metric("sluice_inspection_read_failures_total"),
       [](const InspectionRow& row) { return row.failures; });
}

}  // namespace sluice::ctrl
