// What a worker thread does around its role's poll(): newest Tables, time, neighbors, expiry, requests,
// transmission, and rest when there is nothing to do.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/base/nanosecond_clock.h"
#include "dataplane/base/published.h"
#include "dataplane/device/kernel_tap.h"
#include "dataplane/neighbor/announcer.h"
#include "dataplane/roles/worker_rest.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// What the control thread wants of all workers. Only ever goes up.
enum class Phase : uint8_t {
  kRunning,
  kDraining,  ///< receive nothing new, finish what lies in rings
  kStopped,   ///< return
};

/// Makes milliseconds of TSC cycles without a division. Wraps after 49 days, as Worker::now_ms does.
class MillisecondClock {
 public:
  explicit MillisecondClock(uint64_t cycles_per_second);
  uint32_t at(uint64_t cycles) const;

 private:
  uint64_t milliseconds_per_cycle_;  ///< times 2^64
};

/// How long to rest after so many polls in a row that found nothing: not at all, then from 10 us on ever
/// longer up to half a millisecond. Pure.
uint32_t rest_microseconds(uint32_t empty_polls);
/// Rests that long; a pause of the CPU where it is not at all. For a thread with the shortest timer slack.
void rest(uint32_t empty_polls);

/// One worker thread's loop. What it is given lives as long as the thread runs.
class WorkerLoop {
 public:
  /// `taps` by configured port. `rest` is null where polls that find nothing just follow each other.
  /// `cycles_per_second`: of what step() is told; nothing: the TSC's.
  WorkerLoop(Worker& worker, Published<Tables>::Reader& tables, Published<Captures>::Reader& captures,
             std::span<const KernelTap> taps, const std::atomic<Phase>& phase, WorkerRest* rest,
             std::optional<uint64_t> cycles_per_second = {});

  /// The thread's life, until Phase::kStopped. Returns with everything sent or counted as a drop.
  void run();

  // The same for who has no thread for it: begins, steps, ends. Cycles never go back.
  void begin(uint64_t cycles);
  /// One turn, at that time; whether it found anything to do.
  bool step(uint64_t cycles);
  bool has_stopped() const { return phase_.load(std::memory_order_acquire) == Phase::kStopped; }
  void end();

 private:
  bool turn(uint64_t cycles);
  unsigned poll_once(uint64_t cycles, bool receiving);
  void take_newest_tables();
  void take_newest_captures();
  unsigned relay_frames();
  void expire_flows(uint32_t elapsed_ms);
  void count(uint64_t cycles, bool busy);

  Worker& worker_;
  Published<Tables>::Reader& tables_;
  Published<Captures>::Reader& captures_;
  const Captures* seen_captures_ = nullptr;
  std::span<const KernelTap> taps_;
  const std::atomic<Phase>& phase_;
  WorkerRest* const rest_;
  MillisecondClock clock_;
  NanosecondClock fine_clock_;
  const uint64_t long_turn_;  ///< cycles; longer ones are counted
  uint64_t stepped_at_ = 0;
  Announcer announcer_;
};

}  // namespace sluice::dataplane
