// The networks that the ports' own addresses lie in: whom a port reaches without a gateway. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "common/address.h"

namespace sluice::ctrl {

class ConnectedNetworks {
 public:
  /// Adds the network of an own address. False, and unchanged, where another port has that network.
  bool add(const Prefix& own_address, uint16_t port) {
    own_.insert(own_address.address);
    const Prefix network = own_address.network();
    const auto [place, is_new] = networks_.emplace(network, port);
    if (is_new) lengths(network.address).insert(network.length);
    return place->second == port;
  }

  /// The port that reaches an address directly, by the most specific network.
  std::optional<uint16_t> port_of(const IpAddress& address) const {
    for (const uint8_t length : address.is_v4() ? lengths_v4_ : lengths_v6_) {
      const auto found = networks_.find(Prefix{mask(address, length), length});
      if (found != networks_.end()) return found->second;
    }
    return std::nullopt;
  }
  /// Whether exactly that network is connected.
  bool has(const Prefix& network) const { return networks_.contains(network); }
  /// Whether a port has that address itself.
  bool is_own(const IpAddress& address) const { return own_.contains(address); }

  const std::map<Prefix, uint16_t>& all() const { return networks_; }

 private:
  using Lengths = std::set<uint8_t, std::greater<>>;
  Lengths& lengths(const IpAddress& address) { return address.is_v4() ? lengths_v4_ : lengths_v6_; }

  std::map<Prefix, uint16_t> networks_;
  std::set<IpAddress> own_;
  Lengths lengths_v4_;
  Lengths lengths_v6_;
};

}  // namespace sluice::ctrl
