// A thread that waits for disks, beside the lcores that never wait. Control thread, but for what runs on it.
#pragma once

#include <pthread.h>

#include <cstdint>

#include "common/result.h"

namespace sluice::dataplane {

/// Runs wherever its creator may run, and takes no signals.
class BackgroundThread {
 public:
  BackgroundThread() = default;
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;
  ~BackgroundThread() { join(); }

  /// `name`: at most 15 characters, for ps and top.
  Result<void> start(const char* name, void* (*run)(void*), void* argument);
  /// Waits for run() to return. Idempotent.
  void join();
  /// The same, but gives up after so long: false, and the thread still runs.
  bool join_within(uint32_t milliseconds);

 private:
  pthread_t thread_{};
  bool has_started_ = false;
};

}  // namespace sluice::dataplane
