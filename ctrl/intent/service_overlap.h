// Which services would match the same packet. Pure; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lb/service.h"

namespace sluice::ctrl {

struct Overlap {
  size_t earlier;  ///< index into the matches given
  size_t later;
};

/// Pairs of overlapping matches, at most one for each later one; none if and only if no two overlap.
/// O(n log n) times the nesting of prefixes.
std::vector<Overlap> find_overlaps(std::span<const lb::ServiceMatch> matches);

}  // namespace sluice::ctrl
