// The weighted schedule that round robin walks and the random policies draw from. Pure; any thread.
#pragma once

#include <span>
#include <vector>

#include "lb/backend.h"
#include "lb/maglev.h"

namespace sluice::lb {

/// Each backend as often as its weight demands, interleaved so that after any number of entries each has
/// had its share to within one entry (earliest deadline first among the subtasks of a "Pfair" schedule:
/// Baruah, Cohen, Plaxton and Varvel, Algorithmica 1996). Weights are divided by their greatest common
/// divisor, and scaled where their sum would exceed `most` entries; then still every backend has at
/// least one, unless there are more than `most` of them: the first `most` have one each.
std::vector<BackendId> build_schedule(std::span<const WeightedEndpoint> backends, uint32_t most);

}  // namespace sluice::lb
