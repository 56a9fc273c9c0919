// ESP tunnels: their keys, and what they are seen to be.
#include "ctrl/store/gateway_tunnels.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "ctrl/log/log_line.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
void look_at_tunnels(TunnelStates& states, const Model& model, std::chrono::system_clock::time_point now,
                     EventHub& events) {
  for (const TunnelEvent& change : states.look(model, now)) {
    log_info({"tunnel ", change.tunnel, ": ", word_for(change.state)});
    events.tell(EventKind::kTunnelState,
                {{"tunnel", change.tunnel}, {"state", std::string(word_for(change.state))}});
  }
}

Outcome<std::shared_ptr<TunnelPlan>> plan_tunnels(std::shared_ptr<TunnelStates>& states, const Model& next,
                                                  unsigned workers, bool is_rehearsal) {
  if (!states && next.tunnels.empty()) return nullptr;
  const bool is_elsewhere =
      states && states->now()->tunnels.empty() && states->directory() != next.tunnel_state;
  if (!states || is_elsewhere) states = std::make_shared<TunnelStates>(next.tunnel_state, workers);
  auto plan = states->follow(next, is_rehearsal);
  if (!plan) return tl::unexpected(std::move(plan.error()));
  return std::make_shared<TunnelPlan>(std::move(*plan));
}

const TunnelAssociations* associations_of(const std::shared_ptr<TunnelStates>& states,
                                          const std::shared_ptr<TunnelPlan>& plan) {
  if (plan) return plan->next.get();
  return states ? states->now().get() : nullptr;
}

Outcome<void> Gateway::rekey_tunnel(TunnelRekey rekey) {
  Parts& parts = *parts_;
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard state(parts.state);
  if (!parts.tunnel_states) {
    return refuse(Refusal::Kind::kNotFound, "there is no tunnel named \"" + rekey.tunnel + "\"",
                  "tunnel.list names those that there are");
  }
  const std::string object = "tunnel/" + rekey.tunnel;
  const Moment now = parts.time->now();
  auto plan = parts.tunnel_states->rekey(*parts.model, std::move(rekey), now);
  if (!plan) return tl::unexpected(std::move(plan.error()));
  Step step = parts.step_now();
  step.tunnels = std::make_shared<TunnelPlan>(std::move(*plan));
  step.causes = {{ChangeCause::kOperator, object, now.wall}};
  if (auto taken = parts.take(step); !taken) return tl::unexpected(std::move(taken.error()));
  return {};
}

void Gateway::follow_kernel_keys(KernelAssociations all) {
  Parts& parts = *parts_;
  const std::lock_guard turn(parts.turn);
  parts.await_turn();
  const std::lock_guard state(parts.state);
  if (!parts.tunnel_states) return;
  auto plan = parts.tunnel_states->follow_kernel(*parts.model, std::move(all));
  if (!plan) return;
  Step step = parts.step_now();
  step.tunnels = std::make_shared<TunnelPlan>(std::move(*plan));
  step.causes = {{ChangeCause::kSource, "tunnel/*", parts.time->wall()}};
  if (const auto taken = parts.take(step); !taken) {
    log_error({"the kernel's keys cannot be taken: ", taken.error().message});
  }
}

std::vector<TunnelRow> Gateway::tunnels() const {
  const Parts& parts = *parts_;
  std::shared_ptr<const Model> model;
  std::shared_ptr<TunnelStates> states;
  {
    const std::lock_guard instant(parts.instant);
    model = parts.model;
    states = parts.tunnel_states;
  }
  return states ? states->rows(*model) : std::vector<TunnelRow>{};
}

void Gateway::mind_tunnels() {
  Parts& parts = *parts_;
  const std::lock_guard turn(parts.turn);
  const std::lock_guard state(parts.state);
  if (!parts.tunnel_states) return;
  const Moment now = parts.time->now();
  if (auto plan = parts.tunnel_states->tend(*parts.model, now)) {
    Step step = parts.step_now();
    step.tunnels = std::make_shared<TunnelPlan>(std::move(*plan));
    if (const auto taken = parts.take(step); !taken) {
      log_error({"tunnels cannot be changed: ", taken.error().message});
    }
  }
  look_at_tunnels(*parts.tunnel_states, *parts.model, now.wall, parts.events);
}

}  // namespace sluice::ctrl
