#include "dataplane/roles/worker_loop.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>

#include "dataplane/base/packet.h"
#include "dataplane/stages/account.h"
#include "dataplane/stages/carry_checks.h"
#include "dataplane/stages/encapsulate.h"
#include "dataplane/stages/inspect.h"
#include "dataplane/stages/police.h"
#include "dataplane/stages/relay_from_kernel.h"

namespace sluice::dataplane {
namespace {

constexpr uint32_t kSpinPolls = 256;    ///< empty polls before the first rest
constexpr uint32_t kPollsPerStep = 64;  ///< rests of the same length
constexpr uint32_t kFirstRestUs = 10;
constexpr uint32_t kLongestRestUs = 500;   ///< a queue of 1024 descriptors holds 2 Mpps for that long
constexpr uint32_t kExpiryRoundMs = 4096;  ///< every flow is looked at once in this time
constexpr uint32_t kMaxExpirySteps = 4;    ///< milliseconds made up for in one poll

}  // namespace

MillisecondClock::MillisecondClock(uint64_t cycles_per_second)
    : milliseconds_per_cycle_(
          static_cast<uint64_t>((static_cast<unsigned __int128>(1000) << 64) / cycles_per_second)) {}

uint32_t MillisecondClock::at(uint64_t cycles) const {
  return static_cast<uint32_t>((static_cast<unsigned __int128>(cycles) * milliseconds_per_cycle_) >> 64);
}

uint32_t rest_microseconds(uint32_t empty_polls) {
  if (empty_polls < kSpinPolls) return 0;
  const uint32_t steps = std::min((empty_polls - kSpinPolls) / kPollsPerStep, 16u);
  return std::min(kFirstRestUs << steps, kLongestRestUs);
}

void rest(uint32_t empty_polls) {
  const uint32_t microseconds = rest_microseconds(empty_polls);
  if (microseconds == 0) return rte_pause();
  const timespec duration{0, static_cast<long>(microseconds) * 1000};
  nanosleep(&duration, nullptr);
}

WorkerLoop::WorkerLoop(Worker& worker, Published<Tables>::Reader& tables,
                       Published<Captures>::Reader& captures, std::span<const KernelTap> taps,
                       const std::atomic<Phase>& phase, WorkerRest* rest,
                       std::optional<uint64_t> cycles_per_second)
    : worker_(worker),
      tables_(tables),
      captures_(captures),
      taps_(taps),
      phase_(phase),
      rest_(rest),
      clock_(cycles_per_second.value_or(rte_get_tsc_hz())),
      fine_clock_(cycles_per_second.value_or(rte_get_tsc_hz())),
      long_turn_(cycles_per_second.value_or(rte_get_tsc_hz()) / 1'000'000 * (kLongTurnNs / 1000)),
      announcer_(worker.pool) {}

void WorkerLoop::run() {
  prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds: the default of 50 us would be the shortest rest
  uint64_t before = rte_rdtsc();
  for (begin(before); !has_stopped();) {
    const bool busy = turn(before);
    uint64_t after = rte_rdtsc();
    if (after - before > long_turn_) [[unlikely]] {
      worker_.stats.long_turns.record(fine_clock_.at(after - before));
    }
    if (rest_ != nullptr) {
      busy ? rest_->after_busy_poll() : rest_->after_empty_poll(after);
      if (!busy) after = rte_rdtsc();
    }
    count(after - before, busy);
    before = after;
  }
  end();
}

void WorkerLoop::begin(uint64_t cycles) {
  worker_.now_ms = clock_.at(cycles);
  stepped_at_ = cycles;
}

bool WorkerLoop::turn(uint64_t cycles) {
  const Phase phase = phase_.load(std::memory_order_acquire);
  if (phase != Phase::kRunning) worker_.receive_queues = {};
  return poll_once(cycles, phase == Phase::kRunning) != 0;
}

bool WorkerLoop::step(uint64_t cycles) {
  const bool busy = turn(cycles);
  count(cycles - stepped_at_, busy);
  stepped_at_ = cycles;
  return busy;
}

void WorkerLoop::end() {
  give_up_inspection(worker_);
  tell_last_flows(worker_);
  give_up_tunnels(worker_);
  worker_.neighbors.give_up();
  worker_.drops.free_pending();
  worker_.watch.adopt(nullptr);
}

unsigned WorkerLoop::poll_once(uint64_t cycles, bool receiving) {
  take_request(worker_);  // first: it is answered from Tables that are as new as those when it was asked
  take_newest_tables();
  take_newest_captures();
  const uint32_t now_ms = clock_.at(cycles);
  const uint32_t elapsed_ms = now_ms - worker_.now_ms;
  worker_.now_ms = now_ms;
  worker_.now_ns = fine_clock_.at(cycles);
  if (worker_.accounts != nullptr) worker_.accounts->set_time(worker_.now_ns, now_ms);
  worker_.drops.recorder().begin_poll(cycles, worker_.tables->configuration);

  if (worker_.place.balances) worker_.balancer.expire_handshakes(worker_.now_ns);

  unsigned touched = relay_frames();
  if (receiving) touched += relay_from_kernel(worker_, taps_);
  touched += worker_.place.receives ? poll_rx_worker(worker_) : poll_lb_worker(worker_);
  send_encrypted(worker_);
  worker_.transmit.flush();  // at once: a frame that ended a long rest finds many milliseconds to make up for
  if (elapsed_ms != 0) {
    worker_.neighbors.tick(*worker_.tables, now_ms, worker_.transmit);
    if (worker_.place.index == 0) {
      announcer_.tick(*worker_.tables, now_ms, worker_.transmit);
      worker_.mld.tick(*worker_.tables, now_ms, worker_.transmit);
    }
    if (worker_.place.balances) expire_flows(elapsed_ms);
  }
  touched += send_checks(worker_);
  if (worker_.place.balances && sweep_flows(worker_)) ++touched;
  if (worker_.place.balances && sweep_uninspected_flows(worker_)) ++touched;
  tidy_inspection(worker_);
  if (serve_request(worker_)) ++touched;  // more steps may wait: no time to rest
  send_encrypted(worker_);
  worker_.transmit.flush();
  worker_.drops.free_pending();
  return touched;
}

void WorkerLoop::take_newest_tables() {
  const Tables* const newest = tables_.refresh();
  if (newest == worker_.tables) return;
  worker_.tables = newest;
  find_tunnels_anew(worker_);
  worker_.neighbors.adopt_static(*newest, worker_.now_ms, worker_.transmit);
  adopt_rules(worker_);
  adopt_inspections(worker_);
  account_flows(worker_);
}

void WorkerLoop::take_newest_captures() {
  const Captures* const newest = captures_.refresh();
  if (newest == seen_captures_) return;
  seen_captures_ = newest;
  worker_.watch.adopt(newest);
  worker_.neighbors.next_version();  // known paths say what packets must see
}

unsigned WorkerLoop::relay_frames() {
  unsigned relayed = 0;
  for (PacketRing* const ring : worker_.from_transmit) {
    if (ring == nullptr) continue;
    std::array<rte_mbuf*, kBurst> frames;
    const size_t count = ring->pop(frames);
    for (size_t i = 0; i < count; ++i) {
      if (meta_of(frames[i]).tunnel != 0) [[unlikely]] {
        encapsulate_handed_over(worker_, frames[i]);
      } else {
        worker_.transmit.relay(frames[i]);
      }
    }
    relayed += static_cast<unsigned>(count);
  }
  return relayed;
}

void WorkerLoop::expire_flows(uint32_t elapsed_ms) {
  const size_t per_ms = worker_.balancer.flows().capacity() / kExpiryRoundMs + 1;
  const size_t entries = per_ms * std::min(elapsed_ms, kMaxExpirySteps);
  worker_.balancer.expire(worker_.tables->view(), worker_.now_ms, static_cast<unsigned>(entries));
}

void WorkerLoop::count(uint64_t cycles, bool busy) {
  WorkerStats& stats = worker_.stats;
  (busy ? stats.busy_cycles : stats.idle_cycles).add(cycles);
  stats.polls.add();
  stats.flow_entries.set(worker_.balancer.flows().size());
  stats.snat_ports_in_use.set(worker_.balancer.ports_in_use());
  stats.neighbors.set(worker_.neighbors.size());
  const auto catch_up = [](Counter& counter, uint64_t now) { counter.add(now - counter.read()); };
  const lb::EvictedFlows& evicted = worker_.balancer.evicted();
  catch_up(stats.flow_table_full, worker_.balancer.table_full());
  catch_up(stats.snat_ports_reused, worker_.balancer.ports_reused());
  catch_up(stats.flows_evicted.unanswered, evicted.unanswered.read());
  catch_up(stats.flows_evicted.closing, evicted.closing.read());
  catch_up(stats.flows_evicted.answered, evicted.answered.read());
}

}  // namespace sluice::dataplane
