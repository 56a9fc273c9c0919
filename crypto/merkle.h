// The append-only Merkle tree of RFC 6962, 2.1, as far as a writer keeps it: the right edge. Owned by
// one thread; hashing goes level by level through that thread's engine. Nothing is allocated.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "common/result.h"
#include "crypto/sha256.h"

namespace sluice::crypto {

/// The height of a tile (C2SP tlog-tiles): 256 hashes side by side.
inline constexpr unsigned kTileHeight = 8;
inline constexpr size_t kTileWidth = size_t{1} << kTileHeight;

/// The root of the tree without leaves: SHA-256 of nothing.
Digest empty_root();

/// Roots of aligned 256-leaf subtrees, to be hashed where the leaves are. `leaves` holds a multiple of
/// 256; `scratch` half as many, and begins with the roots, in order, on return.
void hash_subtrees(Sha256& engine, std::span<const Digest> leaves, std::span<Digest> scratch);

/// A complete subtree that an append finished and whose root a level of tiles keeps: heights 8, 16, ...
struct FinishedSubtree {
  unsigned height = 0;
  Digest root{};
};

/// The roots of the complete subtrees that make up the tree, one for each bit of its size.
class RightEdge {
 public:
  /// FinishedSubtrees that appending `leaves` leaves can give at most.
  static constexpr size_t most_finished(size_t leaves) { return leaves / 255 + 8; }

  /// The edge of a tree without leaves.
  RightEdge() = default;

  /// The edge of a tree of `size` leaves from `peaks`, the roots of its complete subtrees, largest
  /// first. Fails where their number does not fit the size.
  static Result<RightEdge> restore(uint64_t size, std::span<const Digest> peaks);

  uint64_t size() const { return size_; }

  /// Appends leaf hashes in order. Writes the subtrees finished into `finished`, which has room for
  /// most_finished(leaves.size()), each height in order, and returns how many there are.
  size_t append(Sha256& engine, std::span<const Digest> leaves, std::span<FinishedSubtree> finished);

  /// Appends the root of a complete subtree of 256 leaves; the size must be a multiple of 256.
  size_t append_subtree(Sha256& engine, const Digest& root, std::span<FinishedSubtree> finished);

  /// The root of the whole tree. At most 63 single hashes.
  Digest root() const;

  /// The root of the complete subtree of 2^height leaves at the edge; `size` has that bit.
  const Digest& peak(unsigned height) const { return peaks_[height]; }

 private:
  static constexpr size_t kBatch = 2048;  // nodes of one level that are joined together

  size_t append_nodes(Sha256& engine, std::span<const Digest> nodes, unsigned height,
                      std::span<FinishedSubtree> finished);

  uint64_t size_ = 0;
  std::array<Digest, 64> peaks_{};
  std::array<Digest, kBatch + 1> level_;  // scratch: a peak from the left, then the new nodes
};

}  // namespace sluice::crypto
