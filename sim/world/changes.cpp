#include "sim/world/changes.h"

#include <nlohmann/json.hpp>

namespace sluice::sim {
namespace {

using ctrl::AdminState;

const char* word_for(AdminState state) {
  return state == AdminState::kActive     ? "active"
         : state == AdminState::kDraining ? "draining"
                                          : "maintenance";
}

}  // namespace

Changes::Changes(World& world, Chance chance, Nanoseconds until)
    : world_(world), chance_(chance), until_(until) {
  if (world_.scenario_.has_changes) change_later();
  if (world_.scenario_.has_deaths) die_later();
}

void Changes::when_idle(std::function<void()> what) {
  if (!world_.is_waiting_for_store()) return what();
  world_.after(kMillisecondNs, [this, what = std::move(what)] { when_idle(what); });
}

void Changes::change_later() {
  world_.after(chance_.below(kSecondNs), [this] {
    when_idle([this] {
      if (world_.now() >= until_) return;
      change();
      change_later();
    });
  });
}

void Changes::die_later() {
  world_.after(chance_.below(4 * kSecondNs), [this] {
    when_idle([this] {
      if (world_.now() >= until_) return;
      die();
      die_later();
    });
  });
}

ctrl::BackendKey Changes::key_of(const BackendHost& host) const {
  const BackendPlan& plan = world_.plan_of(host);
  return {world_.scenario_.pools[host.pool].name, plan.address, plan.port};
}

std::string Changes::name_of(const BackendHost& host) const {
  return "backend " + world_.plan_of(host).address.to_string() + " of " +
         world_.scenario_.pools[host.pool].name;
}

void Changes::change() {
  BackendHost& host = *chance_.pick(world_.backends_);
  const bool is_listed = world_.plan_of(host).is_listed;
  const auto what = chance_.below(10);
  if (what < 3) return set_listed(host, !is_listed);
  if (!is_listed) return;
  if (what < 7) return set_state(host, static_cast<AdminState>(chance_.below(3)));
  if (what < 9) return set_weight(host, static_cast<uint32_t>(chance_.below(11)));
  flush(host);
}

void Changes::die() {
  BackendHost& host = *chance_.pick(world_.backends_);
  if (!world_.plan_of(host).is_listed || !host.is_alive) return;
  set_alive(host, false);
  world_.after(chance_.between(1, 5) * 100 * kMillisecondNs, [this, &host] {
    when_idle([this, &host] {
      if (!host.is_alive) set_health(host, false);
    });
  });
  world_.after(chance_.between(1, 4) * kSecondNs, [this, &host] {
    when_idle([this, &host] {
      set_alive(host, true);
      set_health(host, true);
    });
  });
}

void Changes::set_alive(BackendHost& host, bool is_alive) {
  if (host.is_alive == is_alive) return;
  world_.trace_.say(world_.now(), name_of(host) + (is_alive ? " lives again" : " dies"));
  host.is_alive = is_alive;
  if (is_alive) host.alive_since = world_.now();
  if (!is_alive) host.server.forget();
  world_.disturb_backend(host);
  world_.disturb_pool(host.pool, true);
}

void Changes::set_health(BackendHost& host, bool is_healthy) {
  if (!world_.plan_of(host).is_listed || host.is_found_down == !is_healthy) return;
  world_.trace_.say(world_.now(), name_of(host) + (is_healthy ? " is found up" : " is found down"));
  if (!is_healthy) {
    world_.disturb_backend(host);
    world_.disturb_pool(host.pool, true);
  }
  world_.gateway_->gateway().set_health(key_of(host), is_healthy, is_healthy ? "answers" : "is silent");
  host.is_found_down = !is_healthy;
  if (!is_healthy) world_.disturb_backend(host);
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, false);
}

void Changes::set_state(BackendHost& host, AdminState state) {
  if (host.state == state) return;
  world_.trace_.say(world_.now(), name_of(host) + " becomes " + word_for(state));
  if (state == AdminState::kMaintenance) world_.disturb_backend(host);
  const auto changed = world_.gateway_->gateway().set_backend(key_of(host), std::nullopt, state);
  if (!changed) world_.violate("a state is refused: " + changed.error().message);
  host.state = state;
  if (state == AdminState::kMaintenance) world_.disturb_backend(host);  // and who came while the store waited
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, false);
}

void Changes::set_weight(BackendHost& host, uint32_t weight) {
  world_.trace_.say(world_.now(), name_of(host) + " gets weight " + std::to_string(weight));
  const auto changed = world_.gateway_->gateway().set_backend(key_of(host), weight, std::nullopt);
  if (!changed) world_.violate("a weight is refused: " + changed.error().message);
  world_.scenario_.pools[host.pool].backends[host.place].weight = weight;
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, true);
}

void Changes::set_listed(BackendHost& host, bool is_listed) {
  auto& plans = world_.scenario_.pools[host.pool].backends;
  const auto listed = std::ranges::count_if(plans, [](const BackendPlan& plan) { return plan.is_listed; });
  if (!is_listed && listed == 1) return;
  world_.trace_.say(world_.now(), name_of(host) + (is_listed ? " is listed" : " is listed no more"));
  if (!is_listed) world_.disturb_backend(host);
  plans[host.place].is_listed = is_listed;
  if (plans[host.place].weight == 0) plans[host.place].weight = 1;
  apply();
  host.state = AdminState::kActive;  // states are forgotten with the backend
  host.is_found_down = false;
  if (!is_listed) world_.disturb_backend(host);
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, false);
}

void Changes::apply() {
  auto& gateway = world_.gateway_->gateway();
  std::optional<ctrl::Outcome<ctrl::ApplyResult>> answer;
  gateway.apply(configuration(world_.scenario_), {.author = "simulated"},
                [&](ctrl::Outcome<ctrl::ApplyResult> outcome) { answer = std::move(outcome); });
  // Workers count the flows that end first.
  constexpr unsigned kMostMilliseconds = 6000;
  for (unsigned waited = 0; !answer && waited < kMostMilliseconds; ++waited) {
    world_.live_until(world_.now() + kMillisecondNs);
    gateway.tick();
  }
  if (!answer) world_.violate("an apply has no answer");
  if (!*answer) world_.violate("a configuration is refused: " + answer->error().message);
}

void Changes::flush(BackendHost& host) {
  world_.trace_.say(world_.now(), name_of(host) + ": its flows are flushed");
  world_.disturb_backend(host);
  world_.disturb_pool(host.pool, true);
  (void)world_.gateway_->gateway().flush_flows(key_of(host));
  world_.disturb_backend(host);
}

void Changes::heal() {
  for (const auto& host : world_.backends_) {
    set_alive(*host, true);
    if (!world_.plan_of(*host).is_listed) continue;
    set_health(*host, true);
    set_state(*host, AdminState::kActive);
    if (world_.plan_of(*host).weight == 0) set_weight(*host, 1);
  }
}

}  // namespace sluice::sim
