// Which of its pools a service sends a new flow to: the first route that the client's address matches, then
// shares by weight (interface.md, section 10). Built by the control thread, const once published; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/address.h"
#include "common/flow_key.h"
#include "common/siphash.h"
#include "lb/service.h"

namespace sluice::lb {

/// Pools by weight: one of them has all. Pools are numbers of tables, PoolTable::index().
class PoolSplit {
 public:
  struct Share {
    uint32_t pool = 0;
    uint32_t weight = 0;
  };
  /// At least one, not all of weight 0, whose sum is below 2^32.
  explicit PoolSplit(std::vector<Share> shares);

  /// The place of the first share at which the sum of the weights exceeds ((hash >> 32) * W) >> 32.
  uint32_t place_of(uint64_t hash) const;
  const Share& at(uint32_t place) const { return shares_[place]; }
  std::span<const Share> shares() const { return shares_; }
  uint64_t total() const { return ends_.back(); }
  /// The sum of the weights up to and with a place.
  uint64_t end_of(uint32_t place) const { return ends_[place]; }

 private:
  std::vector<Share> shares_;
  std::vector<uint64_t> ends_;
};

/// What was chosen for a flow, and by which entries of the configuration.
struct PoolChoice {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t pool = 0;       ///< PoolTable::index()
  uint32_t route = kNone;  ///< of the service's routes; kNone: none matches
  uint32_t share = kNone;  ///< of that route's split, or of the service's; kNone: it has one pool
  Prefix matched = {};     ///< of the route: what the client's address matches
};

class PoolSteering {
 public:
  struct Route {
    std::vector<Prefix> sources;
    PoolSplit split;
    bool is_split = false;  ///< else one pool has all
  };
  /// `rest`: where no route matches; `is_split` as in Route.
  PoolSteering(std::vector<Route> routes, PoolSplit rest, bool is_split);

  /// For a new flow of a service with that policy.
  PoolChoice choose(const FlowKey& key, Policy policy, const SipKey& hash_key) const;
  /// Every pool that it names, once, those of weight 0 too.
  std::span<const uint32_t> pools() const { return pools_; }

  /// Sources from `first` to the next range's, all of one family, and what they match: the place of a route,
  /// or PoolChoice::kNone.
  struct Range {
    IpAddress first;
    uint32_t route = PoolChoice::kNone;
    Prefix matched = {};
  };
  /// In order; the first begins with the family's first address.
  std::span<const Range> ranges(bool v4) const { return v4 ? v4_ : v6_; }
  /// What sources of a range are split by.
  const PoolSplit& split_of(uint32_t route) const {
    return route == PoolChoice::kNone ? rest_ : routes_[route].split;
  }

 private:
  std::vector<Route> routes_;
  PoolSplit rest_;
  bool is_split_;
  std::vector<Range> v4_, v6_;
  std::vector<uint32_t> pools_;
};

}  // namespace sluice::lb
