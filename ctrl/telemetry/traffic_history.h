// How many packets a second there were in the last minutes, second by second, so that a page that is opened
// now can show them. Pure: time is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace sluice::ctrl {

class TrafficHistory {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kInterval{1};
  static constexpr size_t kSamples = 300;

  /// What was counted up to a moment.
  struct Counts {
    uint64_t received = 0;
    uint64_t transmitted = 0;
    uint64_t dropped = 0;
  };
  /// Of one second.
  struct Sample {
    double received;
    double transmitted;
    double dropped;
  };

  /// Whether a second is over.
  bool is_due(Time now) const { return now >= due_; }
  /// Takes a sample where one is due. One that comes late stands for the seconds in which none was taken.
  void observe(const Counts& counts, Time now);
  /// Oldest first; the last one ended at the last observation that was due.
  const std::deque<Sample>& samples() const { return samples_; }

 private:
  Time due_{};
  Time last_time_{};
  Counts last_;
  std::deque<Sample> samples_;
};

}  // namespace sluice::ctrl
