// The spans of changes and of backends' states; for gateway*.cpp alone.
#pragma once

#include <memory>
#include <string>

#include "ctrl/intent/fault.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/span_queue.h"

namespace sluice::ctrl {

/// The span of a change of configuration, `config.apply`: the request's own where it has that name, else one
/// below it. Null: nobody wants to know.
std::shared_ptr<OpenSpan> begin_change(SpanQueue& spans, const ApplyOptions& options, Span::Time now);
/// A configuration has been read, from the span's begin on; `refusal`: why it cannot be applied, else null.
void note_read(const std::shared_ptr<OpenSpan>& span, Span::Time now, const Refusal* refusal);
/// What has become of the change.
void note_outcome(const std::shared_ptr<OpenSpan>& span, const Outcome<ApplyResult>& outcome);

}  // namespace sluice::ctrl
