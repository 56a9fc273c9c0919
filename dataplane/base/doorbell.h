// A bed that a thread sleeps in until another rings or some time has passed. Never for workers: ringing may
// be a system call.
#pragma once

#include <semaphore.h>
#include <time.h>

#include <cstdint>

namespace sluice::dataplane {

/// One thread sleeps, any may ring. A ring while nobody sleeps ends the next sleep at once.
class Doorbell {
 public:
  Doorbell() { sem_init(&rings_, 0, 0); }
  ~Doorbell() { sem_destroy(&rings_); }
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  void ring() { sem_post(&rings_); }

  /// Returns after so long at the latest, or earlier: the caller looks for itself what there is to do.
  void sleep(uint64_t nanoseconds) {
    timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t total = static_cast<uint64_t>(until.tv_nsec) + nanoseconds;
    until.tv_sec += static_cast<time_t>(total / 1'000'000'000);
    until.tv_nsec = static_cast<long>(total % 1'000'000'000);
    sem_clockwait(&rings_, CLOCK_MONOTONIC, &until);
  }

 private:
  sem_t rings_;
};

}  // namespace sluice::dataplane
