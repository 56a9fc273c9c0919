#include "ctrl/telemetry/traffic_history.h"

namespace sluice::ctrl {

void TrafficHistory::observe(const Counts& counts, Time now) {
  if (!is_due(now)) return;
  if (due_ == Time{}) {
    due_ = now + kInterval;
  } else {
    const double seconds = std::chrono::duration<double>(now - last_time_).count();
    const auto rate = [seconds](uint64_t before, uint64_t after) {
      return static_cast<double>(after - before) / seconds;
    };
    const Sample sample{rate(last_.received, counts.received), rate(last_.transmitted, counts.transmitted),
                        rate(last_.dropped, counts.dropped)};
    for (size_t added = 0; due_ <= now && added < kSamples; ++added, due_ += kInterval) {
      samples_.push_back(sample);
      if (samples_.size() > kSamples) samples_.pop_front();
    }
    if (due_ <= now) due_ = now + kInterval;
  }
  last_ = counts;
  last_time_ = now;
}

}  // namespace sluice::ctrl
