// What happens to the gateway, as spans (docs/decisions/0044): changes, and how long backends were in a
// state.
#include "ctrl/store/gateway_spans.h"

#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

constexpr const char* kChange = "config.apply";

Span state_span(const BackendKey& key, lb::BackendState state, const std::string& reason, Span::Time since,
                Span::Time until) {
  return {.name = "backend.state",
          .start = since,
          .end = until,
          .attributes = {{"sluice.pool", key.pool},
                         {"sluice.backend", endpoint_text(key.address, key.port)},
                         {"sluice.state", std::string(word_for(state))},
                         {"sluice.reason", reason}}};
}

}  // namespace

std::shared_ptr<OpenSpan> begin_change(SpanQueue& spans, const ApplyOptions& options, Span::Time now) {
  std::shared_ptr<OpenSpan> span = options.span;
  if (!span && options.dry_run) return nullptr;
  if (!span) {
    span = spans.open(kChange, now);
  } else if (span->name() != kChange) {
    span = spans.open(kChange, now, span->context());
  }
  if (span && !options.author.empty()) span->set("sluice.author", options.author);
  if (span && options.dry_run) span->set("sluice.dry_run", true);
  return span;
}

void note_read(const std::shared_ptr<OpenSpan>& span, Span::Time now, const Refusal* refusal) {
  if (!span) return;
  span->add_step("config.read", span->start(), now, {}, refusal ? &refusal->message : nullptr);
}

void note_outcome(const std::shared_ptr<OpenSpan>& span, const Outcome<ApplyResult>& outcome) {
  if (!span) return;
  if (!outcome) return span->fail(outcome.error().message);
  span->set("sluice.generation", static_cast<int64_t>(outcome->generation));
}

SpanQueue& Gateway::spans() {
  return parts_->spans;
}

const SpanQueue& Gateway::spans() const {
  return parts_->spans;
}

/// A change that has tracing begin is traced itself.
std::shared_ptr<OpenSpan> Gateway::Parts::trace_admission(Span::Time began, const ApplyOptions& options,
                                                          const Outcome<Admitted>& admitted) {
  if (admitted && !options.dry_run && admitted->model->tracing) spans.turn(true);
  auto span = begin_change(spans, options, began);
  const Refusal* const refusal = admitted ? nullptr : &admitted.error();
  note_read(span, time->wall(), refusal);
  if (span && refusal) span->fail(refusal->message);
  return span;
}

void Gateway::Parts::trace_outcome(const std::shared_ptr<OpenSpan>& span,
                                   const Outcome<ApplyResult>& outcome) {
  note_outcome(span, outcome);
  if (span) span->reach(time->wall());
  if (outcome) return;
  const std::lock_guard lock(instant);
  spans.turn(model->tracing.has_value());
}

void Gateway::Parts::note_rehearsed(const Step& step, Span::Time began, Span::Time ended,
                                    const Refusal* refusal) {
  if (!refusal && step.mode != Step::Mode::kRehearse) return;  // what comes of it compiles once more
  for (const Cause& cause : step.causes) {
    if (cause.span)
      cause.span->add_step("config.compile", began, ended, {}, refusal ? &refusal->message : nullptr);
  }
}

void Gateway::Parts::settle_change_spans() {
  if (!change_spans.is_waiting()) return;
  const std::lock_guard lock(instant);
  change_spans.settle(time->wall(), [this](unsigned worker) { return data_plane->publication_of(worker); });
}

void Gateway::Parts::trace(const StatusChanges& changes) {
  if (!spans.is_on()) return;
  const auto now = time->wall();
  for (const BackendTransition& change : changes.backends) {
    if (change.from == change.to) continue;
    spans.add(state_span(change.key, change.from, change.reason_before, change.since_before, now));
  }
  for (const BackendEnd& end : changes.gone) {
    spans.add(state_span(end.key, end.state, end.reason, end.since, now));
  }
}

void Gateway::Parts::trace_last_states() {
  if (!spans.is_on()) return;
  const auto now = time->wall();
  for (const auto& [key, status] : statuses.all()) {
    const EffectiveState last = effective_state(status);
    spans.add(state_span(key, last.state, last.reason, status.since, now));
  }
}

}  // namespace sluice::ctrl
