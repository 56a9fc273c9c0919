// What the services of a configuration want of each pool. Control thread.
#pragma once

#include <optional>
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

/// Of a pool that no service uses: a table for TCP, so that it can be looked at.
PoolUse unused();

/// By name of pool, which the Model owns.
using PoolUses = std::unordered_map<std::string_view, PoolUse>;
PoolUses pool_uses(const Model& model);

}  // namespace sluice::ctrl
