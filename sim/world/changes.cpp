#include "sim/world/changes.h"

#include <array>
#include <nlohmann/json.hpp>

namespace sluice::sim {
namespace {

using ctrl::AdminState;

const char* word_for(AdminState state) {
  return state == AdminState::kActive     ? "active"
         : state == AdminState::kDraining ? "draining"
                                          : "maintenance";
}

/// A change of a pool's backends, until all gateways have the same again. Made before the plan says it.
class ChangedPool {
 public:
  ChangedPool(PoolChange& change, const Nanoseconds& now, bool was_sound) : change_(change), now_(now) {
    change_ = {.over = UINT64_MAX, .is_from_unsound = !was_sound};
  }
  ChangedPool(const ChangedPool&) = delete;
  ChangedPool& operator=(const ChangedPool&) = delete;
  ~ChangedPool() { change_ = {.over = now_ + kPublication}; }

 private:
  static constexpr Nanoseconds kPublication = 200 * kMillisecondNs;
  PoolChange& change_;
  const Nanoseconds& now_;
};

}  // namespace

Changes::Changes(World& world, Chance chance, Nanoseconds until)
    : world_(world), chance_(chance), until_(until) {
  if (world_.scenario_.has_changes) change_later();
  if (world_.scenario_.has_deaths) die_later();
}

void Changes::change_later() {
  world_.after(chance_.below(kSecondNs), [this] {
    world_.when_idle([this] {
      if (world_.now() >= until_) return;
      change();
      change_later();
    });
  });
}

void Changes::die_later() {
  world_.after(chance_.below(4 * kSecondNs), [this] {
    world_.when_idle([this] {
      if (world_.now() >= until_) return;
      die();
      die_later();
    });
  });
}

std::string Changes::name_of(const BackendHost& host) const {
  return "backend " + world_.plan_of(host).address.to_string() + " of " +
         world_.scenario_.pools[host.pool].name;
}

void Changes::change() {
  BackendHost& host = *chance_.pick(world_.backends_);
  const bool is_listed = world_.plan_of(host).is_listed;
  const auto what = chance_.below(15);
  if (what == 14) return is_listed ? blink(host) : void();
  if (what == 13) return babble(host.pool);
  if (what == 12) return rename();
  if (what == 11) return widen();
  if (what == 10) return ask_for_nonsense();
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
  world_.after(chance_.between(1, 4) * kSecondNs,
               [this, &host] { world_.when_idle([this, &host] { set_alive(host, true); }); });
}

void Changes::set_alive(BackendHost& host, bool is_alive) {
  if (host.is_alive == is_alive) return;
  world_.trace_.say(world_.now(), name_of(host) + (is_alive ? " lives again" : " dies"));
  host.is_alive = is_alive;
  if (is_alive) host.alive_since = world_.now();
  if (!is_alive) host.dead_since = world_.now();
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
  world_.disturb_moved(host.pool);
  const ChangedPool changed_pool(world_.pool_changes_[host.pool], world_.now_,
                                 world_.is_pool_sound(host.pool));
  world_.for_each_gateway([&](GatewayNode&, ctrl::Gateway& gateway) {
    gateway.set_health(world_.key_of(host), is_healthy, is_healthy ? "answers" : "is silent");
  });
  host.is_found_down = !is_healthy;
  if (!is_healthy) world_.disturb_backend(host);
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, false);
}

void Changes::set_state(BackendHost& host, AdminState state) {
  if (host.state == state) return;
  world_.trace_.say(world_.now(), name_of(host) + " becomes " + word_for(state));
  if (state == AdminState::kMaintenance) world_.disturb_backend(host);
  world_.disturb_moved(host.pool);
  const ChangedPool changed_pool(world_.pool_changes_[host.pool], world_.now_,
                                 world_.is_pool_sound(host.pool));
  world_.for_each_gateway([&](GatewayNode&, ctrl::Gateway& gateway) {
    const auto changed = gateway.set_backend(world_.key_of(host), std::nullopt, state);
    if (!changed) world_.violate("a state is refused: " + changed.error().message);
  });
  host.state = state;
  if (state == AdminState::kMaintenance) world_.disturb_backend(host);  // and who came while the store waited
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, false);
}

void Changes::set_weight(BackendHost& host, uint32_t weight) {
  world_.trace_.say(world_.now(), name_of(host) + " gets weight " + std::to_string(weight));
  world_.disturb_moved(host.pool);
  const ChangedPool changed_pool(world_.pool_changes_[host.pool], world_.now_,
                                 world_.is_pool_sound(host.pool));
  world_.for_each_gateway([&](GatewayNode&, ctrl::Gateway& gateway) {
    const auto changed = gateway.set_backend(world_.key_of(host), weight, std::nullopt);
    if (!changed) world_.violate("a weight is refused: " + changed.error().message);
  });
  world_.scenario_.pools[host.pool].backends[host.place].weight = weight;
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, true);
}

void Changes::set_listed(BackendHost& host, bool is_listed) {
  auto& plans = world_.scenario_.pools[host.pool].backends;
  const auto listed = std::ranges::count_if(plans, [](const BackendPlan& plan) { return plan.is_listed; });
  if (!is_listed && listed == 1) return;
  world_.trace_.say(world_.now(), name_of(host) + (is_listed ? " is listed" : " is listed no more"));
  if (!is_listed) world_.disturb_backend(host);
  const ChangedPool changed_pool(world_.pool_changes_[host.pool], world_.now_,
                                 world_.is_pool_sound(host.pool));
  plans[host.place].is_listed = is_listed;
  if (plans[host.place].weight == 0) plans[host.place].weight = 1;
  world_.disturb_moved(host.pool);
  world_.scenario_.pools[host.pool].is_discovered ? tell(host.pool, World::Word::kMembers) : apply();
  host.listed_since = world_.now();
  host.state = AdminState::kActive;  // states are forgotten with the backend
  host.is_found_down = false;
  if (!is_listed) world_.disturb_backend(host);
  if (!world_.is_pool_sound(host.pool)) world_.disturb_pool(host.pool, false);
}

/// Taken out and listed anew at once: checks may have seen neither.
void Changes::blink(BackendHost& host) {
  set_listed(host, false);
  if (!world_.plan_of(host).is_listed) set_listed(host, true);
}

void Changes::apply() {
  world_.for_each_gateway([&](GatewayNode& node, ctrl::Gateway& gateway) {
    const auto wanted = configuration(world_.scenario_, node.index);
    const auto answer = apply(gateway, wanted);
    if (!answer) {
      std::string what = "a configuration is refused: " + answer.error().message;
      for (const ctrl::Fault& fault : answer.error().faults) what += ", " + fault.pointer;
      world_.violate(what);
    }
    if (!is_live(gateway, wanted)) world_.violate("a configuration is applied in part");
  });
}

ctrl::Outcome<ctrl::ApplyResult> Changes::apply(ctrl::Gateway& gateway, const nlohmann::json& wanted) {
  std::optional<ctrl::Outcome<ctrl::ApplyResult>> answer;
  gateway.apply(wanted, {.author = "simulated"},
                [&](ctrl::Outcome<ctrl::ApplyResult> outcome) { answer = std::move(outcome); });
  // Workers count the flows that end first.
  constexpr unsigned kMostMilliseconds = 6000;
  for (unsigned waited = 0; !answer && waited < kMostMilliseconds; ++waited) {
    world_.live_until(world_.now() + kMillisecondNs);
    gateway.tick();
  }
  if (!answer) world_.violate("an apply has no answer");
  return std::move(*answer);
}

bool Changes::is_live(const ctrl::Gateway& gateway, const nlohmann::json& wanted) {
  const auto applied = gateway.configuration();
  const auto size_of = [](const nlohmann::json& one) {
    return one.contains("backends") ? one.at("backends").size() : 0;
  };
  const auto is_same = [&](const char* list) {
    if (applied.at(list).size() != wanted.at(list).size()) return false;
    for (size_t i = 0; i < wanted.at(list).size(); ++i) {
      const auto& one = applied.at(list)[i];
      const auto& other = wanted.at(list)[i];
      if (one.at("name") != other.at("name") || size_of(one) != size_of(other)) return false;
    }
    return true;
  };
  return is_same("services") && is_same("pools");
}

void Changes::tell(unsigned pool, World::Word word) {
  world_.for_each_gateway(
      [&](GatewayNode&, ctrl::Gateway& gateway) { world_.tell_members(gateway, pool, word); });
}

/// A registry that says the same again, or is out of reach, changes nothing.
void Changes::babble(unsigned pool) {
  if (!world_.scenario_.pools[pool].is_discovered) return;
  static constexpr std::array kWords = {World::Word::kMembers, World::Word::kConfirmed, World::Word::kLost};
  world_.trace_.say(world_.now(), "the registry has nothing new");
  tell(pool, chance_.pick(kWords));
}

/// A name is no part of what packets meet: it moves nobody.
void Changes::rename() {
  ServicePlan& service = chance_.pick(world_.scenario_.services);
  const bool is_new = service.name.find("-again") == std::string::npos;
  const std::string name = is_new ? service.name + "-again" : service.name.substr(0, service.name.find('-'));
  world_.trace_.say(world_.now(), service.name + " is called " + name);
  service.name = name;
  apply();
}

/// Nor is another port that the service has besides.
void Changes::widen() {
  ServicePlan& service = chance_.pick(world_.scenario_.services);
  service.has_next_port = !service.has_next_port;
  world_.trace_.say(world_.now(), service.name + (service.has_next_port ? " gets" : " loses") + " a port");
  apply();
}

/// What is refused changes nothing.
void Changes::ask_for_nonsense() {
  world_.trace_.say(world_.now(), "somebody asks for a pool that is not there");
  world_.for_each_gateway([&](GatewayNode& node, ctrl::Gateway& gateway) {
    auto wanted = configuration(world_.scenario_, node.index);
    const auto before = gateway.generation();
    wanted["services"][0]["pool"] = "nowhere";
    wanted["services"][0]["name"] = "nonsense";
    if (apply(gateway, wanted)) world_.violate("a service of no pool is taken");
    const bool is_as_before =
        gateway.generation() == before && is_live(gateway, configuration(world_.scenario_, node.index));
    if (!is_as_before) world_.violate("a configuration that was refused has changed something");
  });
}

void Changes::flush(BackendHost& host) {
  world_.trace_.say(world_.now(), name_of(host) + ": its flows are flushed");
  world_.disturb_backend(host);
  world_.disturb_pool(host.pool, true);
  world_.for_each_gateway(
      [&](GatewayNode&, ctrl::Gateway& gateway) { (void)gateway.flush_flows(world_.key_of(host)); });
  world_.disturb_backend(host);
}

void Changes::heal() {
  for (const auto& host : world_.backends_) {
    set_alive(*host, true);
    if (!world_.plan_of(*host).is_listed) continue;
    set_state(*host, AdminState::kActive);
    if (world_.plan_of(*host).weight == 0) set_weight(*host, 1);
  }
}

}  // namespace sluice::sim
