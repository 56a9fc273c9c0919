// What the services of a configuration want of each pool. Control thread.
#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

#include "ctrl/intent/model.h"
#include "lb/pool_table.h"

namespace sluice::ctrl {

struct PoolUse {
  std::optional<lb::PoolTable::Needs> tcp, udp;  ///< a table is wanted, and what it must have

  const std::optional<lb::PoolTable::Needs>& of(IpProtocol protocol) const {
    return protocol == IpProtocol::kUdp ? udp : tcp;
  }
  bool operator==(const PoolUse& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.has_value() == b.has_value() && (!a || a->schedule == b->schedule);
    };
    return same(tcp, other.tcp) && same(udp, other.udp);
  }
};

/// By name of pool, which the Model owns. A pool that no service uses has a table for TCP, so that it can be
/// looked at.
using PoolUses = std::unordered_map<std::string_view, PoolUse>;
PoolUses pool_uses(const Model& model);
/// The same for a few pools, at much less expense.
PoolUses pool_uses(const Model& model, const std::set<std::string_view>& pools);

}  // namespace sluice::ctrl
