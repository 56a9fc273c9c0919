#include "ctrl/telemetry/remote_metrics.h"

#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_remote_series(std::vector<MetricSource>& sources, const RemoteCounts& counts) {
  sources.push_back(whole(metric("sluice_authentications_total"), [&counts](auto add) {
    for (size_t i = 0; i < kAuthenticationNames.size(); ++i) {
      const auto reason = static_cast<Authentication>(i);
      add(static_cast<double>(counts.authentications.of(reason)),
          {{"result", reason == Authentication::kOk ? "success" : "failure"}, {"reason", name_of(reason)}});
    }
  }));
  sources.push_back(whole(metric("sluice_remote_connection_faults_total"), [&counts](auto add) {
    for (size_t i = 0; i < kRemoteFaultNames.size(); ++i) {
      add(static_cast<double>(counts.faults[i]), {{"reason", kRemoteFaultNames[i]}});
    }
  }));
  sources.push_back(whole(metric("sluice_remote_files_rejected_total"), [&counts](auto add) {
    add(static_cast<double>(counts.rejected_tls), {{"file", "tls"}});
    add(static_cast<double>(counts.rejected_keys), {{"file", "jwt"}});
  }));
}

void add_audit_series(std::vector<MetricSource>& sources, uint64_t lost) {
  sources.push_back(whole(metric("sluice_audit_lost_total"),
                          [number = static_cast<double>(lost)](auto add) { add(number, {}); }));
}

}  // namespace sluice::ctrl
