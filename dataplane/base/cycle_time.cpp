#include "dataplane/base/cycle_time.h"

#include <rte_cycles.h>
#include <time.h>

#include "dataplane/base/nanosecond_clock.h"

namespace sluice::dataplane {

CycleTime CycleTime::now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec),
          rte_rdtsc()};
}

uint64_t CycleTime::at(uint64_t other_cycles) const {
  const auto elapsed = static_cast<double>(static_cast<int64_t>(other_cycles - cycles));
  return nanoseconds +
         static_cast<uint64_t>(static_cast<int64_t>(elapsed * 1e9 / static_cast<double>(rte_get_tsc_hz())));
}

uint64_t worker_nanoseconds() {
  return NanosecondClock(rte_get_tsc_hz()).at(rte_rdtsc());
}

}  // namespace sluice::dataplane
