#include "ctrl/telemetry/source_metrics.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ctrl/observed/members.h"
#include "ctrl/resolve/effective.h"
#include "ctrl/store/change_log.h"
#include "ctrl/telemetry/ledger_metrics.h"
#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {
namespace {

/// What one scrape tells of sources: read once, with the first series that asks.
class SourceReadings {
 public:
  explicit SourceReadings(const Gateway& gateway) : gateway_(gateway) {}
  const std::vector<SourceRow>& rows() {
    if (!rows_) rows_ = gateway_.sources();
    return *rows_;
  }

 private:
  const Gateway& gateway_;
  std::optional<std::vector<SourceRow>> rows_;
};

/// The seeds' discovery accuracy: over the instances of a source that have a health check, the share of which
/// the source and the check say the same.
std::optional<double> accuracy(const Gateway& gateway, const SourceRow& source) {
  const auto effective = gateway.effective();
  size_t all = 0, right = 0;
  for (const SourceRow::Pool& row : source.pools) {
    const auto pool = effective->pools.find(row.pool);
    if (pool == effective->pools.end() || pool->second->intent->health.type == HealthType::kNone) continue;
    for (const Member& member : pool->second->members->members) {
      if (member.is_from_file || member.offer == Offer::kWithdrawn) continue;
      const auto status = gateway.status_of({row.pool, member.at.address, member.at.port});
      if (!status || status->health_reason.empty()) continue;  // not checked yet
      ++all;
      right += (member.offer == Offer::kTakesFlows) == status->healthy;
    }
  }
  return all == 0 ? std::nullopt : std::optional(static_cast<double>(right) / static_cast<double>(all));
}

double unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace

void add_source_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto readings = std::make_shared<SourceReadings>(gateway);
  const auto each = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [readings, value](auto add) {
      for (const SourceRow& row : readings->rows()) {
        if (const std::optional<double> number = value(row)) add(*number, {{"source", row.name}});
      }
    }));
  };
  const auto each_pool = [&](const MetricRow& row, auto value) {
    sources.push_back(whole(row, [readings, value](auto add) {
      for (const SourceRow& row : readings->rows()) {
        for (const SourceRow::Pool& pool : row.pools) {
          add(value(pool), {{"source", row.name}, {"pool", pool.pool}});
        }
      }
    }));
  };
  using Row = SourceRow;
  using Number = std::optional<double>;
  each(metric("sluice_source_synced"),
       [](const Row& row) -> Number { return row.state == SourceState::kSynced ? 1 : 0; });
  each(metric("sluice_source_updates_total"), [](const Row& row) -> Number { return row.counts.updates; });
  each(metric("sluice_source_errors_total"), [](const Row& row) -> Number { return row.counts.errors; });
  each(metric("sluice_source_unreadable_total"),
       [](const Row& row) -> Number { return row.counts.unreadable; });
  each(metric("sluice_source_repairs_total"), [](const Row& row) -> Number { return row.counts.repaired; });
  each(metric("sluice_source_last_success_timestamp_seconds"), [](const Row& row) -> Number {
    return row.last_success ? Number(unix_seconds(*row.last_success)) : std::nullopt;
  });
  each(metric("sluice_source_accuracy_ratio"), [&gateway](const Row& row) { return accuracy(gateway, row); });
  each_pool(metric("sluice_source_instances"),
            [](const Row::Pool& pool) { return static_cast<double>(pool.instances); });
  each_pool(metric("sluice_source_held"), [](const Row::Pool& pool) { return pool.is_held ? 1.0 : 0.0; });
  sources.push_back(family(metric("sluice_change_seconds"), [&gateway](auto& samples) {
    for (size_t i = 0; i < kChangeCauses.size(); ++i) {
      auto sample =
          histogram_sample(gateway.change_log().seconds(static_cast<ChangeCause>(i)), kNanosecondsPerSecond);
      sample.label = {{"cause", std::string(kChangeCauses[i])}};
      samples.push_back(std::move(sample));
    }
    return false;
  }));
}

}  // namespace sluice::ctrl
