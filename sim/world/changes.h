// What people and failures do to a simulated world while it is busy: states, weights, members, names,
// ports, flushes, nonsense, deaths. One thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "ctrl/intent/fault.h"
#include "sim/world/world.h"

namespace sluice::sim {

class Changes {
 public:
  Changes(World& world, Chance chance, Nanoseconds until);
  /// Ends it all: everybody is there, lives and is active.
  void heal();
  /// What checks have found: told to every gateway.
  void set_health(BackendHost& host, bool is_healthy);

 private:
  void change_later();
  void die_later();
  void change();
  void die();
  void set_state(BackendHost& host, ctrl::AdminState state);
  void set_weight(BackendHost& host, uint32_t weight);
  void set_listed(BackendHost& host, bool is_listed);
  void flush(BackendHost& host);
  void set_alive(BackendHost& host, bool is_alive);
  void blink(BackendHost& host);
  void rename();
  void widen();
  void ask_for_nonsense();
  void babble(unsigned pool);
  void tell(unsigned pool, World::Word word);
  /// What the scenario says now, at every gateway.
  void apply();
  ctrl::Outcome<ctrl::ApplyResult> apply(ctrl::Gateway& gateway, const nlohmann::json& wanted);
  static bool is_live(const ctrl::Gateway& gateway, const nlohmann::json& wanted);
  std::string name_of(const BackendHost& host) const;

  World& world_;
  Chance chance_;
  Nanoseconds until_;
};

}  // namespace sluice::sim
