// Which ESP tunnel leads to an address, as packets see it. Immutable; any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "common/address.h"
#include "ctrl/intent/tunnel_model.h"
#include "dataplane/tables/route_table.h"

namespace sluice::ctrl {

class TunnelNetworks {
 public:
  explicit TunnelNetworks(const std::vector<TunnelModel>& tunnels);
  /// The index of the tunnel; nothing: none.
  std::optional<size_t> leading_to(const IpAddress& address) const;

 private:
  std::shared_ptr<const dataplane::RouteTable> networks_;
};

}  // namespace sluice::ctrl
