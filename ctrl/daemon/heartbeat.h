// Do the workers still go round? Pure: time and counts are arguments.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::ctrl {

/// A worker whose count of polls has not moved for `patience` is stuck.
class Heartbeat {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Heartbeat(std::chrono::milliseconds patience) : patience_(patience) {}

  /// `polls` by worker, always of the same workers.
  void observe(std::span<const uint64_t> polls, Time now) {
    beats_.resize(polls.size(), {0, now});
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i] != beats_[i].polls) beats_[i] = {polls[i], now, beats_[i].is_told};
    }
  }
  std::vector<unsigned> stuck(Time now) const {
    std::vector<unsigned> workers;
    for (size_t i = 0; i < beats_.size(); ++i) {
      if (now - beats_[i].moved > patience_) workers.push_back(static_cast<unsigned>(i));
    }
    return workers;
  }
  /// Those that were not stuck at the last call: each once, until it goes round again.
  std::vector<unsigned> newly_stuck(Time now) {
    std::vector<unsigned> workers;
    for (unsigned i = 0; i < beats_.size(); ++i) {
      const bool was_told = beats_[i].is_told;
      beats_[i].is_told = now - beats_[i].moved > patience_;
      if (beats_[i].is_told && !was_told) workers.push_back(i);
    }
    return workers;
  }

 private:
  struct Beat {
    uint64_t polls;
    Time moved;
    bool is_told = false;
  };
  std::chrono::milliseconds patience_;
  std::vector<Beat> beats_;
};

}  // namespace sluice::ctrl
