#include "ctrl/store/change_log.h"

#include <algorithm>
#include <utility>

namespace sluice::ctrl {
namespace {

constexpr std::array<uint64_t, 10> kBounds = {1'000'000,     2'500'000,     5'000'000,   10'000'000,
                                              25'000'000,    50'000'000,    100'000'000, 250'000'000,
                                              1'000'000'000, 10'000'000'000};
constexpr size_t kMostWatches = 64;

}  // namespace

ChangeLog::ChangeLog()
    : nanoseconds_{Histogram(kBounds), Histogram(kBounds), Histogram(kBounds), Histogram(kBounds),
                   Histogram(kBounds)} {}

void ChangeLog::add(Publication publication, const FlowsOf& flows_of) {
  Watch watch{0, publication.published, {}};
  for (const lb::BackendId id : publication.added) {
    if (watch.flows.size() == kMostWatched) break;
    watch.flows.emplace_back(id, flows_of(id));
  }
  const std::lock_guard lock(mutex_);
  for (Cause& cause : publication.causes) {
    changes_.push_back({next_id_++, cause.cause, std::move(cause.object), cause.seen, publication.compiled,
                        publication.published});
    ++unsettled_;
    const bool may_add = cause.cause == ChangeCause::kConfig || cause.cause == ChangeCause::kSource;
    if (!may_add || watch.flows.empty()) continue;
    watch.change = changes_.back().id;
    watches_.push_back(watch);
    if (watches_.size() > kMostWatches) watches_.pop_front();
  }
  while (changes_.size() > kKept) changes_.pop_front();
  unsettled_ = std::min(unsettled_, changes_.size());
}

void ChangeLog::settle(Time now) {
  const std::lock_guard lock(mutex_);
  for (; unsettled_ > 0; --unsettled_) {
    Change& change = changes_[changes_.size() - unsettled_];
    change.everywhere = std::max(now, change.published);
    const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(*change.everywhere - change.seen);
    nanoseconds_[static_cast<size_t>(change.cause)].record(
        static_cast<uint64_t>(std::max<std::chrono::nanoseconds::rep>(took.count(), 0)));
  }
}

void ChangeLog::watch_flows(Time now, const FlowsOf& flows_of) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watches_, [&](const Watch& watch) {
    const bool has_begun = std::ranges::any_of(
        watch.flows, [&](const auto& known) { return flows_of(known.first) > known.second; });
    if (!has_begun) return now - watch.published > kWatch;
    const auto change = std::ranges::find(changes_, watch.change, &Change::id);
    if (change != changes_.end()) change->first_flow = now;
    return true;
  });
}

std::vector<Change> ChangeLog::list(size_t limit, std::optional<ChangeCause> cause) const {
  std::vector<Change> changes;
  const std::lock_guard lock(mutex_);
  for (auto change = changes_.rbegin(); change != changes_.rend() && changes.size() < limit; ++change) {
    if (!cause || change->cause == *cause) changes.push_back(*change);
  }
  return changes;
}

HistogramReading ChangeLog::seconds(ChangeCause cause) const {
  return nanoseconds_[static_cast<size_t>(cause)].read();
}

}  // namespace sluice::ctrl
