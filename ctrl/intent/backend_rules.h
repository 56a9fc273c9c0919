// Which addresses the pools of a configuration can serve: what is refused where a file lists it, and left out
// where a source names it. Immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "ctrl/intent/connected_networks.h"
#include "ctrl/intent/model.h"
#include "ctrl/intent/tunnel_networks.h"
#include "dataplane/tables/address_set.h"

namespace sluice::ctrl {

class BackendRules {
 public:
  explicit BackendRules(const Model& model);

  /// Why a backend with that address cannot be in the pool, for people; empty: it can.
  std::string objection(const std::string& pool, const IpAddress& address) const;

 private:
  /// What the services of a pool ask of its backends.
  struct Demands {
    bool nat_from_v4 = false, nat_from_v6 = false;
    bool tunnel = false;
    bool direct = false;
  };
  static void add(const ServiceModel& service, Demands& demands);
  std::string objection(const Demands& demands, const IpAddress& address) const;

  dataplane::AddressSet own_;
  ConnectedNetworks networks_;
  TunnelNetworks tunnels_;
  bool has_source_v4_, has_source_v6_;  ///< for outer headers of tunnels
  std::unordered_map<std::string, Demands> demands_;
};

}  // namespace sluice::ctrl
