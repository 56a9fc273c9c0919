#include "ctrl/daemon/rounds.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ctrl/daemon/source_runner.h"
#include "ctrl/daemon/systemd_notify.h"
#include "ctrl/daemon/ui_state.h"
#include "ctrl/intent/model.h"
#include "ctrl/log/log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/event_hub.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/packet_captures.h"
#include "ctrl/store/traffic_totals.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/roles/ledger_plane.h"

namespace sluice::ctrl {

using boost::asio::awaitable;

/// For coroutines that must not end in silence.
void Rounds::pass_on(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

void Rounds::begin(Of of, std::optional<std::chrono::duration<double>> patience) {
  of_.emplace(std::move(of));
  spawn(io_.get_executor(), tick(), pass_on);
  spawn(io_.get_executor(), beat(), pass_on);
  spawn(io_.get_executor(), maintain(), pass_on);
  spawn(io_.get_executor(), mind_sources(), pass_on);
  if (patience) spawn(io_.get_executor(), watch_idle(*patience), pass_on);
}

/// The gateway answers questions and frees tables here.
awaitable<void> Rounds::tick() {
  for (;;) {
    const bool goes_on = co_await pause(tick_timer_, kTick);
    if (!goes_on) co_return;
    of_->gateway.tick();
    of_->captures.tick(Clock::now());
    if (const auto* ledger = of_->gateway.ledger()) ledger_room_.observe(ledger->reach());
    watch_ledger();
  }
}

void Rounds::watch_ledger() {
  const auto* ledger = of_->gateway.ledger();
  if (!ledger) return;
  const OnFailure on_failure = of_->gateway.model()->ledger->on_failure;
  ledger_watch_.poll(*ledger, on_failure);
  if (ledger->failure() && on_failure == OnFailure::kExit) of_->stop();  // the end of the daemon says why
}

void Rounds::tell_stalled() {
  for (const unsigned worker : heartbeat_.newly_stuck(Clock::now())) {
    log_error({"worker ", worker, " does not go round"});
    of_->gateway.events().tell(EventKind::kWorkerStalled, {{"worker", worker}});
  }
}

awaitable<void> Rounds::beat() {
  const auto watchdog = watchdog_interval();
  const auto interval = watchdog ? std::min<Clock::duration>(kBeat, *watchdog / 2) : Clock::duration(kBeat);
  for (bool goes_on = true; goes_on;) {
    heartbeat_.observe(of_->gateway.data_plane().polls(), Clock::now());
    of_->ui.observe();
    settle_log();
    tell_stalled();
    if (watchdog && heartbeat_.stuck(Clock::now()).empty()) notify_alive();
    goes_on = co_await pause(beat_timer_, interval);
  }
}

awaitable<void> Rounds::maintain() {
  for (;;) {
    const bool goes_on = co_await pause(maintenance_timer_, kMaintenance);
    if (!goes_on) co_return;
    if (is_maintaining_.exchange(true)) continue;
    of_->threads.answer([this] {
      of_->gateway.maintain();
      of_->gateway.keep_history();
      is_maintaining_ = false;
    });
  }
}

awaitable<void> Rounds::mind_sources() {
  for (;;) {
    const bool goes_on = co_await pause(source_timer_, kSourceMaintenance);
    if (!goes_on) co_return;
    of_->sources.tick();
    if (is_minding_tunnels_.exchange(true)) continue;
    of_->threads.change([this] {
      of_->gateway.mind_tunnels();
      is_minding_tunnels_ = false;
    });
  }
}

awaitable<void> Rounds::watch_idle(std::chrono::duration<double> patience) {
  uint64_t received = 0;
  auto last = Clock::now();
  for (bool goes_on = true; goes_on;) {
    const uint64_t now_received = traffic_totals(of_->gateway.data_plane()).received;
    if (now_received != received) last = Clock::now();
    received = now_received;
    if (Clock::now() - last >= patience) {
      log_info({"no packet for ", patience.count(), " s: stopping"});
      of_->stop();
      co_return;
    }
    goes_on = co_await pause(idle_timer_, std::chrono::milliseconds(10));
  }
}

}  // namespace sluice::ctrl
