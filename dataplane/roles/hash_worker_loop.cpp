#include "dataplane/roles/hash_worker_loop.h"

#include <rte_cycles.h>
#include <sys/prctl.h>

namespace sluice::dataplane {

HashWorkerLoop::HashWorkerLoop(HashWorker& worker, const std::atomic<Phase>& phase, IdleMode idle,
                               std::optional<uint64_t> cycles_per_second)
    : worker_(worker), phase_(phase), idle_(idle), clock_(cycles_per_second.value_or(rte_get_tsc_hz())) {}

bool HashWorkerLoop::step(uint64_t cycles) {
  return worker_.poll(clock_.at(cycles)) != 0;
}

void HashWorkerLoop::run() {
  prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds, as in WorkerLoop
  uint32_t empty_polls = 0;
  uint64_t before = rte_rdtsc();
  while (phase_.load(std::memory_order_acquire) != Phase::kStopped) {
    const bool busy = step(before);
    empty_polls = busy ? 0 : empty_polls + 1;
    if (!busy && idle_ == IdleMode::kAdaptive) rest(empty_polls);
    const uint64_t after = rte_rdtsc();
    (busy ? busy_cycles_ : idle_cycles_).add(after - before);
    before = after;
  }
}

}  // namespace sluice::dataplane
