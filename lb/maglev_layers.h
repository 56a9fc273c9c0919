// The Maglev table of a pool of which backends start slowly. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/siphash.h"
#include "lb/maglev.h"

namespace sluice::lb {

/// As build_maglev(), for backends of which some have a part of their weight.
///
/// Their weights are cut into ten layers: in the first is who has one tenth of its whole weight or more, in
/// the second who has two tenths or more, and so on, each with its whole weight. A layer has a Maglev table
/// of its backends, and as large a part of the slots as its weights are of the sum over all layers: so
/// everybody's slots come to its weight. A slot at which all those tables agree belongs to whom they say. The
/// others are given to one layer after the other, in the order of their inverses modulo the size: those of
/// each backend that starts slowly, by the first layer's table, by themselves, and the rest together. So a
/// step of one backend moves slots to it, and of those that move between others in all of its slow start a
/// part. As soon as everybody has the same tenths, there is one table.
std::vector<BackendId> build_layered_maglev(std::span<const WeightedEndpoint> backends, uint32_t table_size,
                                            const SipKey& key);

}  // namespace sluice::lb
