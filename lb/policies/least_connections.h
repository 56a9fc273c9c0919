// least-connections: the least loaded of all. Looks at every candidate, where the other policies look at one
// or two.
#pragma once

#include "lb/policies/policy.h"

namespace sluice::lb {

/// Begins at the cursor, so that equals take turns.
inline BackendId choose_least_loaded(const PoolTable& pool, const Draw& draw) {
  const auto candidates = pool.candidates();
  uint32_t best = advance(draw.cursor, candidates.size());
  const uint32_t begin = best;
  for (uint32_t i = begin + 1; i != begin + candidates.size(); ++i) {
    const uint32_t wrapped = i < candidates.size() ? i : i - static_cast<uint32_t>(candidates.size());
    if (Load::of(candidates[wrapped], draw) < Load::of(candidates[best], draw)) best = wrapped;
  }
  return candidates[best].id;
}

inline constexpr PolicyRow kLeastConnectionsPolicy{Policy::kLeastConnections, "least-connections", nullptr,
                                                   choose_least_loaded};

}  // namespace sluice::lb
