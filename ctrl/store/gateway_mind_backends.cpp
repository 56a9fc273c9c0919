// What time and handshakes do to backends: slow starts go on, outliers are ejected and come back.
#include <algorithm>
#include <array>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/store/gateway_parts.h"
#include "lb/handshake_watch.h"

namespace sluice::ctrl {
namespace {

using lb::HandshakeEvent;

std::string_view words_for(HandshakeEvent::Kind kind) {
  switch (kind) {
    case HandshakeEvent::Kind::kUnanswered:
      return "a SYN without an answer";
    case HandshakeEvent::Kind::kReset:
      return "a RST for a SYN";
    case HandshakeEvent::Kind::kUnreachable:
      return "an ICMP unreachable";
    case HandshakeEvent::Kind::kAnswered:
      return "";
  }
  return "";
}

struct WorkerEvent {
  unsigned worker;
  HandshakeEvent event;
};

std::vector<WorkerEvent> take_events(dataplane::DataPlane& data_plane, const std::vector<unsigned>& workers) {
  std::vector<WorkerEvent> all;
  for (const unsigned worker : workers) {
    std::array<HandshakeEvent, 256> events;
    // No more than its ring holds: it goes on filling it.
    for (size_t rounds = lb::HandshakeWatch::kEvents / events.size(); rounds > 0; --rounds) {
      const size_t count = data_plane.handshakes(worker).take(events);
      for (size_t i = 0; i < count; ++i) all.push_back({worker, events[i]});
      if (count < events.size()) break;
    }
  }
  std::ranges::stable_sort(all, {}, [](const WorkerEvent& each) { return each.event.at_ns; });
  return all;
}

/// When a backend last answered another worker, by the clock of events; 0: never. What a worker itself saw
/// comes in its events.
uint64_t answered_elsewhere(const dataplane::DataPlane& data_plane, const std::vector<unsigned>& workers,
                            const WorkerEvent& of) {
  uint64_t last = 0;
  for (const unsigned worker : workers) {
    if (worker == of.worker) continue;
    const auto& time = data_plane.handshakes(worker).answer_time_of(of.event.backend);
    last = std::max(last, time.answered_ns.load(std::memory_order_relaxed));
  }
  return last;
}

/// Rows of failures over all workers: only what came after every other worker's last answer is one.
std::vector<BackendSignal> signals_of(const std::vector<WorkerEvent>& events, const IdRegistry& ids,
                                      const dataplane::DataPlane& data_plane,
                                      const std::vector<unsigned>& workers) {
  const auto at = [](uint64_t nanoseconds) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanoseconds));
  };
  std::vector<BackendSignal> signals;
  for (const WorkerEvent& each : events) {
    const BackendKey* const backend = ids.backend_at(each.event.backend);
    if (!backend) continue;  // gone, or flushed, since
    const uint64_t answered_ns = answered_elsewhere(data_plane, workers, each);
    if (answered_ns >= each.event.at_ns) {
      signals.push_back({*backend, "", at(each.event.at_ns)});
    } else {
      signals.push_back({*backend, words_for(each.event.kind), at(each.event.at_ns)});
    }
  }
  return signals;
}

}  // namespace

void Gateway::mind_backends() {
  Parts& parts = *parts_;
  std::vector<WorkerEvent> events = take_events(*parts.data_plane, parts.balancers);
  {
    const std::lock_guard lock(parts.state);
    if (events.empty() && !parts.ejections.has_ejected() && !parts.statuses.has_slow_starts()) return;
  }
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const Moment now = parts.time->now();
  const std::lock_guard lock(parts.state);
  parts.ejections.forget_unless([&](const BackendKey& key) { return parts.statuses.find(key) != nullptr; });
  std::vector<Ejection> changes = parts.ejections.release(*parts.model, now.steady);
  const auto members_of = [&](const std::string& pool) { return parts.effective->members.at(pool)->present; };
  const auto signals = signals_of(events, parts.ids, *parts.data_plane, parts.balancers);
  std::ranges::move(parts.ejections.hear(*parts.model, signals, now.steady, members_of),
                    std::back_inserter(changes));

  Step step = parts.step_now();
  for (const Ejection& change : changes) {
    if (!parts.statuses.set_ejected(change.backend, change.reason, now.wall)) continue;
    const auto& [pool, address, port] = change.backend;
    step.touched_pools.insert(pool);
    step.causes.push_back(
        {ChangeCause::kEjection, "backend/" + pool + "/" + endpoint_text(address, port), now.wall});
  }
  step.touched_pools.merge(parts.statuses.advance_slow_starts(*parts.model, now.steady));
  if (step.touched_pools.empty()) return parts.commit_statuses();
  // No new number is needed, so there is nothing that this could be refused for.
  static_cast<void>(parts.take(step));
}

}  // namespace sluice::ctrl
