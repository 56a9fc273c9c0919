#include "ctrl/telemetry/flow_spans.h"

#include <chrono>
#include <string>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/wire/flow_json.h"

namespace sluice::ctrl {
namespace {

constexpr auto kReader = lb::FlowReader::kTraces;

Span::Time wall_time(uint64_t nanoseconds) {
  return Span::Time(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

Span span_of(const NamedFlow& flow) {
  const lb::FlowRecord& record = flow.record;
  const auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
  Span span{.name = "flow",
            .start = wall_time(flow.begin_ns),
            .end = wall_time(flow.end_ns),
            .attributes = {{"client.address", record.key.source.to_string()},
                           {"client.port", number(record.key.source_port.host())},
                           {"server.address", record.key.destination.to_string()},
                           {"server.port", number(record.key.destination_port.host())},
                           {"network.transport", std::string(word_for(record.key.protocol))},
                           {"sluice.service", flow.service},
                           {"sluice.pool", flow.pool},
                           {"sluice.backend", endpoint_text(flow.backend, flow.backend_port)},
                           {"sluice.packets_in", number(record.counts.packets_in)},
                           {"sluice.packets_out", number(record.counts.packets_out)},
                           {"sluice.bytes_in", number(record.counts.bytes_in)},
                           {"sluice.bytes_out", number(record.counts.bytes_out)},
                           {"sluice.end", std::string(word_for(record.end))}}};
  if (record.handshake_us != lb::FlowRecord::kNoHandshake) {
    span.attributes.emplace_back("sluice.handshake", record.handshake_us / 1e6);
  }
  return span;
}

FlowSpans::FlowSpans(Gateway& gateway) : gateway_(gateway), spans_(gateway.spans()), lost_(lost()) {}

uint64_t FlowSpans::lost() const {
  const auto lanes = gateway_.flow_lanes();
  return lanes ? lanes->lost(kReader) : 0;
}

void FlowSpans::follow(std::shared_ptr<FlowSpans>& listener, FlowRecordReader& reader, Gateway& gateway,
                       const Model& model) {
  const bool is_wanted = model.tracing && model.tracing->flows > 0;
  if (is_wanted == (listener != nullptr)) return;
  listener = is_wanted ? std::make_shared<FlowSpans>(gateway) : nullptr;
  reader.listen(kReader, listener);
}

void FlowSpans::take(const NamedFlow& flow) {
  if (flow.record.end != lb::FlowEnd::kActive && spans_.is_on()) spans_.add(span_of(flow));
}

/// What found no room on its way here is a span that was dropped.
void FlowSpans::pause() {
  const uint64_t now = lost();
  spans_.count(SpanResult::kDropped, now - std::exchange(lost_, now));
}

}  // namespace sluice::ctrl
