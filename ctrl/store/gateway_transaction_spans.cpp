// Transactions of the ledger that are sampled, as spans with one for each stage.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "crypto/encoding.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

using dataplane::TransactionTrace;

constexpr size_t kSpansOfOne = 6;  ///< it, and its stages
constexpr size_t kTracesAtOnce = 64;

/// A stage by its name, and when it was over; 0: it did not come so far.
using Stages = std::array<std::pair<std::string_view, uint64_t>, kSpansOfOne - 1>;

Stages stages_of(const TransactionTrace& trace) {
  return {{{"received", trace.received_ns},
           {"hashed", trace.hashed_ns},
           {"sealed", trace.sealed_ns},
           {"durable", trace.durable_ns},
           {"answered", trace.answered_ns}}};
}

/// `now` is the time of `told_ns`.
void trace_transaction(SpanQueue& spans, const TransactionTrace& trace, Span::Time now) {
  const auto wall = [&](uint64_t time_ns) {
    return now - std::chrono::nanoseconds(trace.told_ns - std::min(time_ns, trace.told_ns));
  };
  const auto span = spans.open("transaction", wall(trace.received_ns));
  if (!span) return;
  span->set("client.address", trace.client.to_string());
  span->set("client.port", static_cast<int64_t>(trace.port.host()));
  span->set("sluice.txid", crypto::to_hex(trace.txid));
  span->set("sluice.end", std::string(ledger::name_of(trace.outcome)));
  if (!ledger::has_receipt(trace.outcome)) span->fail(std::string(ledger::name_of(trace.outcome)));
  uint64_t before = trace.received_ns;
  for (const auto& [name, time_ns] : stages_of(trace)) {
    if (time_ns == 0) continue;
    span->add_step(std::string(name), wall(before), wall(time_ns));
    before = time_ns;
  }
}

}  // namespace

void Gateway::Parts::sample_transactions(const Model& next) {
  auto* const ledger = data_plane->ledger();
  if (ledger) ledger->sample_transactions(next.tracing ? next.tracing->transactions : 0);
}

void Gateway::Parts::trace_transactions() {
  auto* const ledger = data_plane->ledger();
  if (!ledger) return;
  std::array<TransactionTrace, kTracesAtOnce> traces;
  const size_t count = ledger->take_traces(traces);
  const auto now = time->wall();
  for (const TransactionTrace& trace : std::span(traces).first(count)) trace_transaction(spans, trace, now);
  const uint64_t lost = ledger->traces_lost();
  if (spans.is_on()) spans.count(SpanResult::kDropped, kSpansOfOne * (lost - transactions_lost));
  transactions_lost = lost;
}

}  // namespace sluice::ctrl
