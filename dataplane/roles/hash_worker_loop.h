// What a hash worker's own lcore does around its poll(): time, and rest when there is nothing to do.
#pragma once

#include <atomic>
#include <optional>

#include "dataplane/base/nanosecond_clock.h"
#include "dataplane/device/boot_config.h"
#include "dataplane/ingress/hash_worker.h"
#include "dataplane/roles/worker_loop.h"

namespace sluice::dataplane {

class HashWorkerLoop {
 public:
  /// `cycles_per_second`: of what step() is told; nothing: the TSC's.
  HashWorkerLoop(HashWorker& worker, const std::atomic<Phase>& phase, IdleMode idle,
                 std::optional<uint64_t> cycles_per_second = {});

  /// The thread's life, until Phase::kStopped.
  void run();
  /// One turn at that time, for who has no thread for it; whether it found anything to do.
  bool step(uint64_t cycles);

  // For any thread: TSC cycles of polls that found something, and of all others with the rest after them.
  const Counter& busy_cycles() const { return busy_cycles_; }
  const Counter& idle_cycles() const { return idle_cycles_; }

 private:
  HashWorker& worker_;
  const std::atomic<Phase>& phase_;
  IdleMode idle_;
  NanosecondClock clock_;
  Counter busy_cycles_;
  Counter idle_cycles_;
};

}  // namespace sluice::dataplane
