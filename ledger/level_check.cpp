#include "ledger/level_check.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "crypto/merkle.h"

namespace sluice::ledger {
namespace {

using crypto::kTileWidth;

constexpr size_t kTiles = 16;  // that are hashed together

struct Scratch {
  std::array<crypto::Digest, kTiles * kTileWidth> hashes;
  std::array<crypto::Digest, kTiles * kTileWidth / 2> roots;  // they come first
  std::array<crypto::Digest, kTiles> expected;
};

constexpr size_t kPlaces = 4096;  // that are read together

bool follows(const BlockPlace& before, const BlockPlace& now) {
  const auto where = [](const BlockPlace& place) {
    return std::pair(place.segment.host(), place.offset.host());
  };
  return now.first_index.host() > before.first_index.host() && where(now) > where(before);
}

/// The first of `count` tiles of a level from `first` on that does not fit the level above.
std::optional<uint64_t> first_wrong_tile(const LevelFiles& levels, crypto::Sha256& engine, unsigned level,
                                         uint64_t first, uint64_t count, Scratch& scratch) {
  for (uint64_t at = first; at < first + count; at += kTiles) {
    const size_t tiles = std::min<uint64_t>(kTiles, first + count - at);
    const auto hashes = std::span(scratch.hashes).first(tiles * kTileWidth);
    const auto expected = std::span(scratch.expected).first(tiles);
    if (!levels.read(level, at * kTileWidth, hashes) || !levels.read(level + 1, at, expected)) return at;
    crypto::hash_subtrees(engine, hashes, scratch.roots);
    const auto [found, wanted] = std::mismatch(expected.begin(), expected.end(), scratch.roots.begin());
    if (found != expected.end()) return at + static_cast<uint64_t>(found - expected.begin());
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> first_contradiction(const LevelFiles& levels, crypto::Sha256& engine,
                                            uint64_t tree_size, uint64_t most) {
  const auto scratch = std::make_unique<Scratch>();
  std::optional<uint64_t> leaf;
  for (unsigned level = 0; level + 1 < LevelFiles::kLevels; ++level) {
    const unsigned height = (level + 1) * crypto::kTileHeight;
    const uint64_t tiles = tree_size >> height;
    const uint64_t looked_at = std::min(tiles, most / kTileWidth);
    const auto wrong = first_wrong_tile(levels, engine, level, tiles - looked_at, looked_at, *scratch);
    if (wrong) leaf = std::min(leaf.value_or(UINT64_MAX), *wrong << height);
  }
  return leaf;
}

std::optional<uint64_t> first_disorder(const LevelFiles& levels, uint64_t blocks, uint64_t most) {
  std::vector<BlockPlace> read(std::min<uint64_t>(kPlaces, blocks));
  std::optional<BlockPlace> before;
  for (uint64_t at = blocks - std::min(blocks, most); at < blocks;) {
    const auto places = std::span(read).first(std::min<uint64_t>(kPlaces, blocks - at));
    if (!levels.places(at, places)) return at;
    for (const BlockPlace& place : places) {
      if (before && !follows(*before, place)) return at;
      before = place;
      ++at;
    }
  }
  return std::nullopt;
}

}  // namespace sluice::ledger
