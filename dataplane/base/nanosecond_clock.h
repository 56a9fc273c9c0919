// The time of workers: from the CPU's counter, without a system call. Any thread; a plain value.
#pragma once

#include <cstdint>

namespace sluice::dataplane {

/// Makes monotonic nanoseconds of TSC cycles without a division.
class NanosecondClock {
 public:
  explicit NanosecondClock(uint64_t cycles_per_second)
      : nanoseconds_per_cycle_((uint64_t{1'000'000'000} << 32) / cycles_per_second) {}
  uint64_t at(uint64_t cycles) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(cycles) * nanoseconds_per_cycle_) >> 32);
  }

 private:
  uint64_t nanoseconds_per_cycle_;  ///< times 2^32
};

}  // namespace sluice::dataplane
