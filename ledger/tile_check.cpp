#include "ledger/tile_check.h"

#include <algorithm>
#include <array>

#include "crypto/merkle.h"
#include "crypto/sha256_openssl.h"

namespace sluice::ledger {
namespace {

using crypto::kTileHeight;
using crypto::kTileWidth;

/// The root over a power of two of hashes, at most kTileWidth.
crypto::Digest root_over(std::span<const crypto::Digest> hashes) {
  std::array<crypto::Digest, kTileWidth> nodes;
  std::copy(hashes.begin(), hashes.end(), nodes.begin());
  for (size_t width = hashes.size(); width > 1; width /= 2)
    for (size_t i = 0; i < width / 2; ++i) nodes[i] = crypto::sha256_node(nodes[2 * i], nodes[2 * i + 1]);
  return nodes[0];
}

/// A full tile is a subtree: the rest of the inclusion proof of its first leaf leads from there to the root.
bool is_full_tile_of(const LevelFiles& levels, uint64_t tree_size, const crypto::Digest& root,
                     unsigned height, uint64_t index, const crypto::Digest& own) {
  const crypto::NodeReader beside = [&](unsigned at, uint64_t number) -> Result<crypto::Digest> {
    const bool is_below_tile = at < height && number >> (height - at) == index;
    return is_below_tile ? Result<crypto::Digest>(crypto::Digest{}) : levels.node(at, number);
  };
  const Result<crypto::Proof> proof = crypto::inclusion_proof(index << height, tree_size, beside);
  return proof && crypto::inclusion_holds(index, ((tree_size - 1) >> height) + 1, own,
                                          std::span(*proof).subspan(height), root);
}

}  // namespace

bool is_tile_of(const LevelFiles& levels, uint64_t tree_size, const crypto::Digest& root, unsigned level,
                uint64_t index, std::span<const crypto::Digest> hashes) {
  const unsigned height = level * kTileHeight;
  if (hashes.size() == kTileWidth)
    return is_full_tile_of(levels, tree_size, root, height + kTileHeight, index, root_over(hashes));
  // The last tile of its level: the tree's peaks of these heights lie in it.
  const crypto::NodeReader with_these = [&](unsigned at, uint64_t number) -> Result<crypto::Digest> {
    if (at < height || at >= height + kTileHeight) return levels.node(at, number);
    const size_t count = size_t{1} << (at - height);
    const size_t first = (number << (at - height)) % kTileWidth;
    if (first + count > hashes.size()) return fail("a node beyond the tile");
    return root_over(hashes.subspan(first, count));
  };
  const Result<crypto::Digest> found = crypto::tree_root(tree_size, with_these);
  return found && *found == root;
}

}  // namespace sluice::ledger
