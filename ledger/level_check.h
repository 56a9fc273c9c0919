// Whether the level files fit themselves: what is rotten or was lost in them shows without a look at the
// journal. Start of the journal; reads only.
#pragma once

#include <cstdint>
#include <optional>

#include "crypto/sha256.h"
#include "ledger/level_files.h"

namespace sluice::ledger {

/// The first leaf below a tile whose root is not what the next level has for it, or that cannot be read, in a
/// log of `tree_size` leaves; nothing where all fit. Looks at the last `most` hashes of each level, so that
/// the time is bounded. What lies right of a level's last full tile is in no tile above it and is not looked
/// at.
std::optional<uint64_t> first_contradiction(const LevelFiles& levels, crypto::Sha256& engine,
                                            uint64_t tree_size, uint64_t most);

/// The first of the first `blocks` blocks whose place in the index does not lie behind that of the block
/// before, or cannot be read; nothing where all do. Looks at the last `most`. A place that is wrong, and in
/// order all the same, is not found.
std::optional<uint64_t> first_disorder(const LevelFiles& levels, uint64_t blocks, uint64_t most);

}  // namespace sluice::ledger
