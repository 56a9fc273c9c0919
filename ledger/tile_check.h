// Whether hashes that were read from the level files are those of the log: by the root that its checkpoint
// signs. A rotten byte of a tile, or of one above it, must not be served as something that never changes. Any
// thread.
#pragma once

#include <cstdint>
#include <span>

#include "ledger/level_files.h"

namespace sluice::ledger {

/// `hashes` are all that a tree of `tree_size` leaves has in tile `index` of `level`, at least one. Reads the
/// nodes beside the way from there to the root: a few tiles.
bool is_tile_of(const LevelFiles& levels, uint64_t tree_size, const crypto::Digest& root, unsigned level,
                uint64_t index, std::span<const crypto::Digest> hashes);

}  // namespace sluice::ledger
