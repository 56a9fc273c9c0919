// two-choices: the less loaded of two of the schedule (Mitzenmacher, IEEE TPDS 2001).
#pragma once

#include "lb/policies/random.h"

namespace sluice::lb {

inline BackendId choose_of_two(const PoolTable& pool, const Draw& draw) {
  const BackendId one = choose_at_random(pool, draw);
  const BackendId other = choose_at_random(pool, draw);
  return Load::of(other, draw) < Load::of(one, draw) ? other : one;
}

inline constexpr PolicyRow kTwoChoicesPolicy{Policy::kTwoChoices, "two-choices", nullptr, choose_of_two,
                                             true};

}  // namespace sluice::lb
