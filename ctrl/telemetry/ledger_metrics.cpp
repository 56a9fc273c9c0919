#include "ctrl/telemetry/ledger_metrics.h"

#include <limits>
#include <string>

#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {
namespace {

using dataplane::LedgerPlane;
using prometheus::MetricType;

constexpr double kNanosecondsPerSecond = 1e9;

MetricSource histogram(const char* name, const char* help, const LedgerPlane& ledger,
                       HistogramReading (LedgerPlane::*read)() const, double unit) {
  return {name, help, MetricType::Histogram, [&ledger, read, unit](auto& samples) {
            samples.push_back(histogram_sample((ledger.*read)(), unit));
            return false;
          }};
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
  sources.push_back(
      whole(MetricType::Counter, "sluice_ledger_transactions_total",
            "Transactions, by what became of them; received counts all.", [&ledger](auto add) {
              add(static_cast<double>(ledger.received()), {{"outcome", "received"}});
              for (size_t i = 0; i < ledger::kOutcomes; ++i) {
                const auto outcome = static_cast<ledger::Outcome>(i);
                add(static_cast<double>(ledger.ended(outcome)), {{"outcome", std::string(name_of(outcome))}});
              }
            }));
  sources.push_back(whole(MetricType::Counter, "sluice_ledger_blocks_total",
                          "Blocks of the log that are durable.",
                          [&ledger](auto add) { add(static_cast<double>(ledger.reach().blocks), {}); }));
  sources.push_back(whole(MetricType::Gauge, "sluice_ledger_tree_size",
                          "Transactions of the log that are durable.",
                          [&ledger](auto add) { add(static_cast<double>(ledger.reach().tree_size), {}); }));
  sources.push_back(whole(MetricType::Gauge, "sluice_ledger_stalled",
                          "1 while the log's disk does not answer and transactions are refused.",
                          [&ledger](auto add) { add(ledger.reach().is_stalled ? 1 : 0, {}); }));
  sources.push_back(whole(MetricType::Counter, "sluice_ledger_answers_lost_total",
                          "Answers that no ring or buffer was free for; their clients ask again.",
                          [&ledger](auto add) { add(static_cast<double>(ledger.answers_lost()), {}); }));
  sources.push_back(histogram("sluice_ledger_block_transactions", "Transactions of each block.", ledger,
                              &LedgerPlane::block_transactions, 1));
  sources.push_back(histogram("sluice_ledger_ack_seconds", "From a transaction's reception to its receipt.",
                              ledger, &LedgerPlane::ack_ns, kNanosecondsPerSecond));
  sources.push_back(whole(MetricType::Gauge, "sluice_ledger_sha256_engine_info",
                          "The SHA-256 engine that hashes transactions, as a label.",
                          [engine = std::string(ledger.engine())](auto add) {
                            add(1, {{"engine", engine}});
                          }));
}

}  // namespace sluice::ctrl
