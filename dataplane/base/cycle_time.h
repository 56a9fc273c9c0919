// The wall clock at a count of TSC cycles: workers note cycles, people want the time. Pure but for now().
#pragma once

#include <cstdint>

namespace sluice::dataplane {

/// The same moment by both clocks.
struct CycleTime {
  uint64_t nanoseconds = 0;  ///< since 1970
  uint64_t cycles = 0;

  /// After EAL has started.
  static CycleTime now();
  /// Nanoseconds since 1970 at another count, before or after.
  uint64_t at(uint64_t other_cycles) const;
};

/// What Worker::now_ns would be at this moment. After EAL has started.
uint64_t worker_nanoseconds();

}  // namespace sluice::dataplane
