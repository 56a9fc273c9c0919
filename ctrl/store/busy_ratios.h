// How busy each worker was of late. Pure: time and counts are arguments.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::ctrl {

/// Cycles that a worker has spent since its start.
struct WorkerCycles {
  uint64_t busy = 0;
  uint64_t idle = 0;
};

/// The share of busy cycles over the last whole second.
class BusyRatios {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kInterval{1};

  /// Call it more often than once a second; `cycles` by worker, always of the same workers.
  void observe(std::span<const WorkerCycles> cycles, Time now) {
    if (!before_.empty() && now - observed_ < kInterval) return;
    before_.resize(cycles.size());
    ratios_.resize(cycles.size());
    for (size_t i = 0; i < cycles.size(); ++i) {
      const auto busy = static_cast<double>(cycles[i].busy - before_[i].busy);
      const auto all = busy + static_cast<double>(cycles[i].idle - before_[i].idle);
      if (all > 0) ratios_[i] = busy / all;  // else the worker is in the middle of a long poll: no news
      before_[i] = cycles[i];
    }
    observed_ = now;
  }
  /// 0 to 1.
  double of(unsigned worker) const { return worker < ratios_.size() ? ratios_[worker] : 0; }

 private:
  std::vector<WorkerCycles> before_;
  std::vector<double> ratios_;
  Time observed_;
};

}  // namespace sluice::ctrl
