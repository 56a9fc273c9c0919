// Every policy: a new one is a file of this folder, a value of Policy, and a row here.
#pragma once

#include <array>

#include "lb/policies/least_connections.h"
#include "lb/policies/least_response_time.h"
#include "lb/policies/maglev.h"
#include "lb/policies/random.h"
#include "lb/policies/source_hash.h"
#include "lb/policies/two_choices.h"
#include "lb/policies/weighted_round_robin.h"

namespace sluice::lb {

/// In the order of Policy.
inline constexpr std::array kPolicies = {
    kMaglevPolicy,     kSourceHashPolicy,       kWeightedRoundRobinPolicy, kRandomPolicy,
    kTwoChoicesPolicy, kLeastConnectionsPolicy, kLeastResponseTimePolicy,
};

consteval bool policies_are_in_order() {
  for (size_t i = 0; i < kPolicies.size(); ++i) {
    if (static_cast<size_t>(kPolicies[i].policy) != i) return false;
  }
  return true;
}
static_assert(policies_are_in_order());

constexpr const PolicyRow& row_of(Policy policy) {
  return kPolicies[static_cast<size_t>(policy)];
}

}  // namespace sluice::lb
