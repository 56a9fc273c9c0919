#include "crypto/merkle.h"

#include <algorithm>
#include <bit>
#include <string>

#include "common/check.h"

namespace sluice::crypto {

Digest empty_root() {
  return sha256({});
}

void hash_subtrees(Sha256& engine, std::span<const Digest> leaves, std::span<Digest> scratch) {
  std::span<const Digest> children = leaves;
  for (unsigned height = 1; height <= kTileHeight; ++height) {
    const auto parents = scratch.first(leaves.size() >> height);
    engine.hash_nodes(children, parents);
    children = parents;
  }
}

Result<RightEdge> RightEdge::restore(uint64_t size, std::span<const Digest> peaks) {
  if (peaks.size() != static_cast<size_t>(std::popcount(size)))
    return fail("a tree of " + std::to_string(size) + " leaves has " + std::to_string(std::popcount(size)) +
                " complete subtrees, not " + std::to_string(peaks.size()));
  RightEdge edge;
  edge.size_ = size;
  size_t next = 0;
  for (unsigned height = 64; height-- > 0;)
    if (size >> height & 1) edge.peaks_[height] = peaks[next++];
  return edge;
}

size_t RightEdge::append(Sha256& engine, std::span<const Digest> leaves,
                         std::span<FinishedSubtree> finished) {
  size_t count = 0;
  while (!leaves.empty()) {
    const auto batch = leaves.first(std::min(leaves.size(), kBatch));
    count += append_nodes(engine, batch, 0, finished.subspan(count));
    leaves = leaves.subspan(batch.size());
  }
  return count;
}

size_t RightEdge::append_subtree(Sha256& engine, const Digest& root, std::span<FinishedSubtree> finished) {
  check(size_ % (uint64_t{1} << kTileHeight) == 0, "a subtree of a tile follows whole tiles");
  return append_nodes(engine, std::span(&root, 1), kTileHeight, finished);
}

/// Joins `nodes`, roots of complete subtrees of 2^height leaves, to the edge. On every level the new
/// nodes pair up among themselves, the first of them with the peak where one waits there, and an odd
/// last one becomes the peak.
size_t RightEdge::append_nodes(Sha256& engine, std::span<const Digest> nodes, unsigned height,
                               std::span<FinishedSubtree> finished) {
  std::ranges::copy(nodes, level_.begin() + 1);
  size_t count = 0;
  const uint64_t size_after = size_ + (uint64_t{nodes.size()} << height);
  for (size_t fresh = nodes.size(); fresh != 0; ++height) {
    if (height != 0 && height % kTileHeight == 0) {
      check(fresh <= finished.size() - count, "there is room for every subtree that is finished");
      for (size_t i = 1; i <= fresh; ++i) finished[count++] = {height, level_[i]};
    }
    const bool peak_waits = size_ >> height & 1;
    if (peak_waits) level_[0] = peaks_[height];
    const auto pairable = std::span(level_).subspan(peak_waits ? 0 : 1, fresh + (peak_waits ? 1 : 0));
    if (pairable.size() % 2 == 1) peaks_[height] = pairable.back();
    fresh = pairable.size() / 2;
    engine.hash_nodes(pairable, std::span(level_).subspan(1, fresh));
  }
  size_ = size_after;
  return count;
}

Digest RightEdge::root() const {
  if (size_ == 0) return empty_root();
  auto height = static_cast<unsigned>(std::countr_zero(size_));
  Digest right = peaks_[height];
  while (++height < 64)
    if (size_ >> height & 1) right = sha256_node(peaks_[height], right);
  return right;
}

}  // namespace sluice::crypto
