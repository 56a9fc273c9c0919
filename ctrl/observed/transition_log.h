// Log lines for what becomes of backends, pools and services; so many a second, and then how many were left
// out, so that nothing which takes many backends down at once floods the log. Control thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "ctrl/intent/model.h"
#include "ctrl/observed/backend_statuses.h"

namespace sluice::ctrl {

/// So many lines of one kind a second.
class LineBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr unsigned kLinesPerSecond = 50;

  /// Whether one more may be written; else it counts as left out.
  bool take(Time now);
  /// How many were left out in a second that is over; once.
  uint64_t left_out(Time now);

 private:
  bool is_over(Time now) const { return now - start_ >= std::chrono::seconds(1); }

  Time start_{};
  unsigned used_ = 0;
  uint64_t left_out_ = 0;
};

class TransitionLog {
 public:
  using Time = LineBudget::Time;

  /// `model` is the one that `changes` led to.
  void write(const StatusChanges& changes, const Model& model, Time now);
  /// Says what was left out. Often.
  void tick(Time now);

 private:
  void write(const BackendTransition& change, Time now);
  void write(const PoolTransition& change, const PoolModel& pool, Time now);
  void write_services(const StatusChanges& changes, const Model& model, Time now);

  LineBudget backend_lines_;
  LineBudget pool_lines_;
  LineBudget service_lines_;
};

}  // namespace sluice::ctrl
