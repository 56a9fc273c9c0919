// Whom a port reaches without a gateway: the networks of the ports' own addresses, and static neighbors
// beyond them. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "common/address.h"

namespace sluice::ctrl {

/// Prefixes, each a port's; the most specific one that holds an address counts.
class PortsByPrefix {
 public:
  /// False, and unchanged, where another port has that prefix.
  bool add(const Prefix& prefix, uint16_t port) {
    const auto [place, is_new] = ports_.emplace(prefix, port);
    if (is_new) (prefix.address.is_v4() ? lengths_v4_ : lengths_v6_).insert(prefix.length);
    return place->second == port;
  }
  struct Match {
    uint8_t length;  ///< of the prefix
    uint16_t port;
  };
  std::optional<Match> match(const IpAddress& address) const {
    for (const uint8_t length : address.is_v4() ? lengths_v4_ : lengths_v6_) {
      const auto found = ports_.find(Prefix{mask(address, length), length});
      if (found != ports_.end()) return Match{length, found->second};
    }
    return std::nullopt;
  }
  std::optional<uint16_t> find(const IpAddress& address) const {
    const auto found = match(address);
    return found ? std::optional(found->port) : std::nullopt;
  }
  const std::map<Prefix, uint16_t>& all() const { return ports_; }

 private:
  using Lengths = std::set<uint8_t, std::greater<>>;
  std::map<Prefix, uint16_t> ports_;
  Lengths lengths_v4_;
  Lengths lengths_v6_;
};

class ConnectedNetworks {
 public:
  explicit ConnectedNetworks(size_t ports) : ports_(ports) {}

  /// Adds the network of an own address. False, and unchanged, where another port has that network.
  bool add(const Prefix& own_address, uint16_t port) {
    own_.insert(own_address.address);
    return networks_.add(own_address.network(), port);
  }
  /// Adds a route, which says where static neighbors beyond all networks are. After every own address.
  /// `via_port`: of a gateway that names it.
  void add_route(const Prefix& to, const IpAddress& via, std::optional<uint16_t> via_port = std::nullopt) {
    if (const auto port = via_port ? via_port : port_of(via)) routes_.add(to, *port);
  }
  /// Adds a static neighbor, after every route. One beyond all networks is taken to be on the link that its
  /// route leaves by, or that of the only port. False: there is no telling its port.
  bool add_neighbor(const IpAddress& address) {
    if (port_of(address)) return true;
    auto port = routes_.find(address);
    if (!port && ports_ == 1) port = 0;
    if (port) networks_.add(host(address), *port);
    return port.has_value();
  }

  /// The port that reaches an address directly, by the most specific network.
  std::optional<uint16_t> port_of(const IpAddress& address) const { return networks_.find(address); }
  /// The port that packets to an address leave by, directly or by a gateway.
  std::optional<uint16_t> port_towards(const IpAddress& address) const {
    const auto direct = networks_.match(address);
    const auto routed = routes_.match(address);
    if (!direct || (routed && routed->length > direct->length)) {
      return routed ? std::optional(routed->port) : std::nullopt;
    }
    return direct->port;
  }
  /// Whether exactly that network is connected.
  bool has(const Prefix& network) const { return networks_.all().contains(network); }
  /// Whether a route leads to exactly that address.
  bool has_route_to(const IpAddress& address) const { return routes_.all().contains(host(address)); }
  /// Whether a port has that address itself.
  bool is_own(const IpAddress& address) const { return own_.contains(address); }

  const std::map<Prefix, uint16_t>& all() const { return networks_.all(); }

 private:
  static Prefix host(const IpAddress& address) {
    return {address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)};
  }

  size_t ports_;
  PortsByPrefix networks_;
  PortsByPrefix routes_;
  std::set<IpAddress> own_;
};

struct Model;
/// Those of a whole configuration.
ConnectedNetworks connected_networks(const Model& model);

}  // namespace sluice::ctrl
