// How a worker of `idle: adaptive` waits while polls find nothing: it spins for a moment, then sleeps until a
// frame, a ring or the time wakes it (docs/decisions/0013-sleep-until-something-comes.md, and
// 0065-how-long-to-spin.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/result.h"
#include "common/waker.h"
#include "dataplane/device/kernel_tap.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

class WorkerRest {
 public:
  /// Control thread, once devices and rings are there and before any worker's thread runs: the rings that
  /// lead into the worker wake it from now on. `taps` by configured port.
  static Result<std::unique_ptr<WorkerRest>> create(Worker& worker, std::span<const KernelTap> taps);
  ~WorkerRest();

  // The worker's thread, after each of its polls, which ended at that time.
  void after_busy_poll();
  void after_empty_poll(uint64_t cycles);

 private:
  WorkerRest(Worker& worker, int epoll);
  bool watch(int descriptor);
  /// False: the system has no room for it.
  bool watch_queue(uint16_t device, uint16_t queue);
  /// Whether it is too early to sleep, after a poll that found nothing and ended at that time.
  bool spins(uint64_t cycles) const;
  void sleep();

  Waker waker_;
  const int epoll_;
  const uint64_t spin_cycles_;
  bool is_always_woken_;      ///< by all that brings it something; else it looks every rest_microseconds()
  bool has_rings_ = false;    ///< from other workers or hash workers
  bool is_armed_ = false;     ///< the waker, and a poll has found nothing since then
  uint32_t empty_polls_ = 0;  ///< in a row, since something woke it
  uint64_t idle_since_ = 0;   ///< when the first of them ended
};

}  // namespace sluice::dataplane
