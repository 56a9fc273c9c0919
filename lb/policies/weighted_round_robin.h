// weighted-round-robin: the next of the schedule.
#pragma once

#include "lb/policies/policy.h"

namespace sluice::lb {

inline BackendId choose_next(const PoolTable& pool, const Draw& draw) {
  return pool.schedule()[advance(draw.cursor, pool.schedule().size())];
}

inline constexpr PolicyRow kWeightedRoundRobinPolicy{Policy::kWeightedRoundRobin, "weighted-round-robin",
                                                     nullptr, choose_next, true};

}  // namespace sluice::lb
