// random: any of the schedule.
#pragma once

#include "lb/policies/policy.h"

namespace sluice::lb {

inline BackendId choose_at_random(const PoolTable& pool, const Draw& draw) {
  return pool.schedule()[random_below(pool.schedule().size(), draw.random)];
}

inline constexpr PolicyRow kRandomPolicy{Policy::kRandom, "random", nullptr, choose_at_random, true};

}  // namespace sluice::lb
