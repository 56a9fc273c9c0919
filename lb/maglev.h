// The Maglev lookup table (Eisenbud et al., NSDI 2016) with weighted fill, as interface.md section 5
// fixes it bit for bit, so that every gateway of a group computes the same. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/siphash.h"
#include "lb/backend.h"

namespace sluice::lb {

struct WeightedEndpoint {
  Endpoint endpoint;
  uint32_t weight = 1;  ///< 1..65535
  BackendId id = kNoBackend;
};

/// The table size for a pool that lists that many backends and sets none itself: the first of 65537,
/// 131101, 262147, 524309, 1048583 that is at least 100 times as many (the last one beyond that).
uint32_t maglev_table_size(size_t backends_listed);

/// The slots of the table, each the id of its backend. `backends` are those that take new flows, in any
/// order; `table_size` is a prime below 2^31. Empty `backends` give an empty table.
std::vector<BackendId> build_maglev(std::span<const WeightedEndpoint> backends, uint32_t table_size,
                                    const SipKey& key);

}  // namespace sluice::lb
