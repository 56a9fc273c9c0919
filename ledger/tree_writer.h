// The tree as the journal grows it: the right edge in memory, finished nodes in the level files. Owned by
// the journal thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "crypto/merkle.h"
#include "ledger/level_files.h"

namespace sluice::ledger {

/// The right edge of the tree of that size, from its nodes in the level files.
Result<crypto::RightEdge> edge_of(const LevelFiles& levels, uint64_t tree_size);

class TreeWriter {
 public:
  explicit TreeWriter(LevelFiles levels);

  /// Goes on where `tree_size` leaves lie in the level files, and changes nothing yet. Fails where they hold
  /// fewer.
  Result<void> resume(uint64_t tree_size);

  /// Adds a block's leaves and its place. Below zero, -errno, and nothing has changed.
  int append(crypto::Sha256& engine, std::span<const crypto::Digest> leaves, uint64_t block,
             const BlockPlace& place);
  /// Takes the last append() back.
  void undo();

  uint64_t size() const { return edge_->size(); }
  crypto::Digest root() const { return edge_->root(); }
  LevelFiles& levels() { return levels_; }
  const LevelFiles& levels() const { return levels_; }

 private:
  void remember(uint64_t block);
  int write_finished(uint64_t old_size, std::span<const crypto::FinishedSubtree> finished);

  LevelFiles levels_;
  std::unique_ptr<crypto::RightEdge> edge_;  // large: it holds its scratch
  std::vector<crypto::FinishedSubtree> finished_;
  std::vector<crypto::Digest> run_;
  std::vector<crypto::Digest> peaks_before_;  // of the last append, for undo()
  uint64_t size_before_ = 0;
  uint64_t blocks_before_ = 0;
};

}  // namespace sluice::ledger
