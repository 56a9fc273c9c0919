// source-hash: the slot that a client's address hashes to, so that all its flows have one backend.
#pragma once

#include "lb/policies/policy.h"

namespace sluice::lb {

inline uint64_t hash_source(const FlowKey& key, const SipKey& hash_key) {
  return siphash24(hash_key, key.source.bytes().data(), key.source.bytes().size());
}

inline constexpr PolicyRow kSourceHashPolicy{Policy::kSourceHash, "source-hash", hash_source};

}  // namespace sluice::lb
