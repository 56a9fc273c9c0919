#include "ctrl/telemetry/ledger_metrics.h"

#include <limits>
#include <string>

#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {
namespace {

using dataplane::LedgerPlane;

MetricSource histogram(const MetricRow& row, const LedgerPlane& ledger,
                       HistogramReading (LedgerPlane::*read)() const, double unit) {
  return family(row, [&ledger, read, unit](auto& samples) {
    samples.push_back(histogram_sample((ledger.*read)(), unit));
    return false;
  });
}

}  // namespace

prometheus::ClientMetric histogram_sample(const HistogramReading& reading, double unit) {
  prometheus::ClientMetric sample;
  uint64_t below = 0;
  for (size_t i = 0; i <= reading.bounds.size(); ++i) {
    below += reading.buckets[i];
    const bool is_last = i == reading.bounds.size();
    const double bound =
        is_last ? std::numeric_limits<double>::infinity() : static_cast<double>(reading.bounds[i]) / unit;
    sample.histogram.bucket.push_back({below, bound});
  }
  sample.histogram.sample_count = below;
  sample.histogram.sample_sum = static_cast<double>(reading.sum) / unit;
  return sample;
}

void add_ledger_series(std::vector<MetricSource>& sources, const LedgerPlane& ledger) {
  sources.push_back(whole(metric("sluice_ledger_transactions_total"), [&ledger](auto add) {
    add(static_cast<double>(ledger.received()), {{"outcome", "received"}});
    for (size_t i = 0; i < ledger::kOutcomes; ++i) {
      const auto outcome = static_cast<ledger::Outcome>(i);
      add(static_cast<double>(ledger.ended(outcome)), {{"outcome", std::string(name_of(outcome))}});
    }
  }));
  sources.push_back(whole(metric("sluice_ledger_blocks_total"),
                          [&ledger](auto add) { add(static_cast<double>(ledger.reach().blocks), {}); }));
  sources.push_back(whole(metric("sluice_ledger_tree_size"),
                          [&ledger](auto add) { add(static_cast<double>(ledger.reach().tree_size), {}); }));
  sources.push_back(whole(metric("sluice_ledger_stalled"),
                          [&ledger](auto add) { add(ledger.reach().is_stalled ? 1 : 0, {}); }));
  sources.push_back(whole(metric("sluice_ledger_answers_lost_total"),
                          [&ledger](auto add) { add(static_cast<double>(ledger.answers_lost()), {}); }));
  sources.push_back(
      histogram(metric("sluice_ledger_block_transactions"), ledger, &LedgerPlane::block_transactions, 1));
  sources.push_back(
      histogram(metric("sluice_ledger_ack_seconds"), ledger, &LedgerPlane::ack_ns, kNanosecondsPerSecond));
  sources.push_back(
      whole(metric("sluice_ledger_sha256_engine_info"), [engine = std::string(ledger.engine())](auto add) {
        add(1, {{"engine", engine}});
      }));
}

}  // namespace sluice::ctrl
