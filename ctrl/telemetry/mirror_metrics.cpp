#include "ctrl/telemetry/mirror_metrics.h"

#include <algorithm>

#include "ctrl/telemetry/metric_family.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {

void add_mirror_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto model = gateway.model();
  const bool is_any_mirrored = std::ranges::any_of(
      model->services, [](const auto& entry) { return entry.second->mirror.has_value(); });
  if (!is_any_mirrored) return;
  sources.push_back(whole(metric("sluice_mirror_packets_total"), [&gateway](auto add) {
    uint64_t sent = 0, lost = 0, answered = 0;
    for (const auto& worker : gateway.data_plane().workers()) {
      const dataplane::WorkerStats& stats = gateway.data_plane().stats(worker.index);
      sent += stats.mirrored.read();
      lost += stats.mirror_lost.read();
      answered += stats.mirror_answers.read();
    }
    add(static_cast<double>(sent), {{"outcome", "sent"}});
    add(static_cast<double>(lost), {{"outcome", "lost"}});
    add(static_cast<double>(answered), {{"outcome", "answered"}});
  }));
}

}  // namespace sluice::ctrl
