// What happens to a world's gateways and their wires: links go down, wires carry only small frames, and
// gateways lose their power or are stopped, where another one is left. One thread.
#pragma once

#include "sim/world/world.h"

namespace sluice::sim {

class Outages {
 public:
  Outages(World& world, Chance chance, Nanoseconds until);
  /// Ends it all: every gateway is there, and its wires carry everything.
  void heal();

 private:
  void begin_later();
  void begin();
  void cut_link(GatewayNode& node, unsigned port);
  void narrow(GatewayNode& node, unsigned port);
  void mend(GatewayNode& node);
  void kill(GatewayNode& node);
  void revive(GatewayNode& node);
  bool has_another(const GatewayNode& node) const;
  void say(const GatewayNode& node, const std::string& what);

  World& world_;
  Chance chance_;
  Nanoseconds until_;
};

}  // namespace sluice::sim
