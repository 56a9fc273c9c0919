// What people and failures do to a simulated world while it is busy: states, weights, members, flushes,
// deaths, what health checks find. One thread.
#pragma once

#include "sim/world/world.h"

namespace sluice::sim {

class Changes {
 public:
  Changes(World& world, Chance chance, Nanoseconds until);
  /// Ends it all: everybody is there, lives and is active.
  void heal();

 private:
  void change_later();
  void die_later();
  void change();
  void die();
  void set_state(BackendHost& host, ctrl::AdminState state);
  void set_weight(BackendHost& host, uint32_t weight);
  void set_listed(BackendHost& host, bool is_listed);
  void flush(BackendHost& host);
  void set_health(BackendHost& host, bool is_healthy);
  void set_alive(BackendHost& host, bool is_alive);
  void apply();
  ctrl::BackendKey key_of(const BackendHost& host) const;
  std::string name_of(const BackendHost& host) const;
  /// What comes while the control store waits comes a little later.
  void when_idle(std::function<void()> what);

  World& world_;
  Chance chance_;
  Nanoseconds until_;
};

}  // namespace sluice::sim
