// maglev: the slot that a flow's whole key hashes to.
#pragma once

#include "lb/policies/policy.h"

namespace sluice::lb {

inline uint64_t hash_flow_key(const FlowKey& key, const SipKey& hash_key) {
  return siphash24(hash_key, &key, FlowKey::kHashedBytes);
}

inline constexpr PolicyRow kMaglevPolicy{Policy::kMaglev, "maglev", hash_flow_key};

}  // namespace sluice::lb
