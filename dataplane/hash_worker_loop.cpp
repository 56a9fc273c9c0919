#include "dataplane/hash_worker_loop.h"

#include <rte_cycles.h>
#include <sys/prctl.h>
#include <time.h>

namespace sluice::dataplane {
namespace {

constexpr uint32_t kLongIdlePolls = 2048;    ///< half a second or more
constexpr long kLongIdleRestNs = 1'500'000;  ///< below the usual seal.delay, which counts from its begin

/// As a worker does; longer once nobody has sent anything for long, so that an idle ledger costs less. The
/// rings from workers hold 300,000 packets a second for that long; what comes faster is refused until this is
/// awake.
void rest_for_long(uint32_t empty_polls) {
  if (empty_polls < kLongIdlePolls) return rest(empty_polls);
  const timespec duration{0, kLongIdleRestNs};
  nanosleep(&duration, nullptr);
}

}  // namespace

void HashWorkerLoop::run() {
  prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds, as in WorkerLoop
  const NanosecondClock clock(rte_get_tsc_hz());
  uint32_t empty_polls = 0;
  uint64_t before = rte_rdtsc();
  uint64_t awake = before;  // when this last looked what has come: a transaction's delay counts from there
  while (phase_.load(std::memory_order_acquire) != Phase::kStopped) {
    const bool busy = worker_.poll(clock.at(awake)) != 0;
    empty_polls = busy ? 0 : empty_polls + 1;
    awake = rte_rdtsc();
    if (!busy && idle_ == IdleMode::kAdaptive) rest_for_long(empty_polls);
    const uint64_t after = rte_rdtsc();
    (busy ? busy_cycles_ : idle_cycles_).add(after - before);
    before = after;
  }
}

}  // namespace sluice::dataplane
