#include "ctrl/telemetry/trace_metrics.h"

#include <string>

#include "ctrl/store/span_queue.h"
#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {

void add_trace_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  sources.push_back(whole(metric("sluice_trace_spans_total"), [&spans = gateway.spans()](auto add) {
    for (size_t result = 0; result < kSpanResults.size(); ++result) {
      add(static_cast<double>(spans.counted(static_cast<SpanResult>(result))),
          {{"result", std::string(kSpanResults[result])}});
    }
  }));
}

}  // namespace sluice::ctrl
