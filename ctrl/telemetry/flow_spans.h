// Flows that are sampled, as spans: from the first packet to the last. The thread that reads records of
// flows, but where said.
#pragma once

#include <memory>

#include "ctrl/store/gateway.h"
#include "ctrl/store/span_queue.h"
#include "ctrl/telemetry/flow_reader.h"
#include "ctrl/wire/named_flow.h"

namespace sluice::ctrl {

class FlowSpans : public FlowListener {
 public:
  /// Borrows `gateway`.
  explicit FlowSpans(Gateway& gateway);

  /// Has `reader` tell `listener`, made or null, of what a configuration wants. Control thread.
  static void follow(std::shared_ptr<FlowSpans>& listener, FlowRecordReader& reader, Gateway& gateway,
                     const Model& model);

  void take(const NamedFlow& flow) override;
  void pause() override;
  void finish(std::chrono::milliseconds) override { pause(); }

 private:
  uint64_t lost() const;

  Gateway& gateway_;
  SpanQueue& spans_;
  uint64_t lost_;  ///< records that are counted as dropped already
};

/// The span of a flow that has ended.
Span span_of(const NamedFlow& flow);

}  // namespace sluice::ctrl
