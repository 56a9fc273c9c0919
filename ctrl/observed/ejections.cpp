#include "ctrl/observed/ejections.h"

#include <algorithm>
#include <cmath>

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

const OutlierModel* rule_of(const Model& model, const std::string& pool) {
  const auto found = model.pools.find(pool);
  return found == model.pools.end() || !found->second->outlier ? nullptr : &*found->second->outlier;
}

/// Rounded down; a share such as 0.29 of 100 is 29 in spite of its double.
size_t most_of(const OutlierModel& rule, size_t members) {
  constexpr double kDoubleError = 1e-9;
  return static_cast<size_t>(std::floor(rule.most * static_cast<double>(members) + kDoubleError));
}

std::string text_of(std::chrono::steady_clock::duration duration) {
  return format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(duration));
}

}  // namespace

std::vector<Ejection> Ejections::hear(const Model& model, std::span<const BackendSignal> signals, Time now,
                                      const MembersOf& members_of) {
  std::vector<Ejection> ejected;
  for (const BackendSignal& signal : signals) {
    const OutlierModel* const rule = rule_of(model, signal.backend.pool);
    if (!rule) continue;
    Row& row = rows_[signal.backend];
    if (signal.failure.empty()) {
      row.failures.clear();
      continue;
    }
    if (row.is_ejected) continue;
    row.failures.push_back(signal.at);
    if (row.failures.size() > rule->failures) row.failures.pop_front();
    const auto spread = row.failures.back() - row.failures.front();
    if (row.failures.size() < rule->failures || spread > rule->window) continue;
    if (ejected_in(signal.backend.pool) >= most_of(*rule, members_of(signal.backend.pool))) continue;
    const auto duration = eject(row, *rule, now);
    ejected.push_back({signal.backend, "ejected: " + std::to_string(rule->failures) +
                                           " failures in a row in " + text_of(spread) + ", at last " +
                                           std::string(signal.failure) + "; for " + text_of(duration)});
  }
  return ejected;
}

bool Ejections::has_ejected() const {
  return std::ranges::any_of(rows_, [](const auto& entry) { return entry.second.is_ejected; });
}

size_t Ejections::ejected_in(const std::string& pool) const {
  size_t count = 0;
  for (auto it = rows_.lower_bound({pool, {}, 0}); it != rows_.end() && it->first.pool == pool; ++it) {
    count += it->second.is_ejected;
  }
  return count;
}

std::chrono::steady_clock::duration Ejections::eject(Row& row, const OutlierModel& rule, Time now) {
  if (now - row.until >= kForgiven) row.ejections = 0;
  ++row.ejections;
  const auto duration = rule.ejection * std::min(row.ejections, kMostTimes);
  row.until = now + duration;
  row.is_ejected = true;
  row.failures.clear();
  return duration;
}

std::vector<Ejection> Ejections::release(const Model& model, Time now) {
  std::vector<Ejection> released;
  for (auto& [backend, row] : rows_) {
    if (!row.is_ejected || (now < row.until && rule_of(model, backend.pool))) continue;
    row.is_ejected = false;
    row.until = std::min(row.until, now);
    released.push_back({backend, ""});
  }
  return released;
}

void Ejections::forget_unless(const std::function<bool(const BackendKey&)>& is_member) {
  std::erase_if(rows_, [&](const auto& entry) { return !is_member(entry.first); });
}

}  // namespace sluice::ctrl
