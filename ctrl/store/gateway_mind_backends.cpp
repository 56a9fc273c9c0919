// What time does to backends: slow starts go on.
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

void Gateway::mind_backends() {
  Parts& parts = *parts_;
  {
    const std::lock_guard lock(parts.state);
    if (!parts.statuses.has_slow_starts()) return;
  }
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const Moment now = parts.time->now();
  const std::lock_guard lock(parts.state);
  Step step = parts.step_now();
  step.touched_pools = parts.statuses.advance_slow_starts(*parts.model, now.steady);
  if (step.touched_pools.empty()) return parts.commit_statuses();
  // No new number is needed, so there is nothing that this could be refused for.
  static_cast<void>(parts.take(step));
}

}  // namespace sluice::ctrl
