// The Maglev lookup table (Eisenbud et al., NSDI 2016) with weighted fill, as interface.md section 5
// fixes it bit for bit, so that every gateway of a group computes the same. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/siphash.h"
#include "lb/backend.h"

namespace sluice::lb {

/// A backend's whole weight, in tenths: the weights of a pool of which backends start slowly are this many
/// times as great, so that each tenth of theirs is a whole number.
inline constexpr uint8_t kWholeWeight = 10;

struct WeightedEndpoint {
  Endpoint endpoint;
  uint32_t weight = 1;  ///< 1..65535, or ten times as much
  BackendId id = kNoBackend;
  uint8_t tenths = kWholeWeight;  ///< 1..10: what `weight` is of its whole weight
  bool operator==(const WeightedEndpoint&) const = default;
};

/// The table size for a pool that lists that many backends and sets none itself: the first of 65537,
/// 131101, 262147, 524309, 1048583 that is at least 100 times as many (the last one beyond that).
uint32_t maglev_table_size(size_t backends_listed);

/// The slots of the table, each the id of its backend. `backends` are those that take new flows, in any
/// order; `table_size` is a prime below 2^31. Empty `backends` give an empty table.
std::vector<BackendId> build_maglev(std::span<const WeightedEndpoint> backends, uint32_t table_size,
                                    const SipKey& key);

}  // namespace sluice::lb
