#include "ledger/tree_writer.h"

#include <bit>
#include <utility>

namespace sluice::ledger {

TreeWriter::TreeWriter(LevelFiles levels)
    : levels_(std::move(levels)), edge_(std::make_unique<crypto::RightEdge>()) {}

Result<crypto::RightEdge> edge_of(const LevelFiles& levels, uint64_t tree_size) {
  std::vector<crypto::Digest> peaks;
  uint64_t before = 0;  // leaves left of the peak
  for (unsigned height = 64; height-- > 0;) {
    if ((tree_size >> height & 1) == 0) continue;
    const Result<crypto::Digest> peak = levels.node(height, before >> height);
    if (!peak) return tl::unexpected(peak.error());
    peaks.push_back(*peak);
    before += uint64_t{1} << height;
  }
  return crypto::RightEdge::restore(tree_size, peaks);
}

Result<void> TreeWriter::resume(uint64_t tree_size) {
  const Result<crypto::RightEdge> edge = edge_of(levels_, tree_size);
  if (!edge) return tl::unexpected(edge.error());
  *edge_ = *edge;
  return {};
}

void TreeWriter::remember(uint64_t block) {
  size_before_ = edge_->size();
  blocks_before_ = block;
  peaks_before_.clear();
  for (unsigned height = 64; height-- > 0;)
    if ((size_before_ >> height & 1) != 0) peaks_before_.push_back(edge_->peak(height));
}

int TreeWriter::append(crypto::Sha256& engine, std::span<const crypto::Digest> leaves, uint64_t block,
                       const BlockPlace& place) {
  remember(block);
  finished_.resize(crypto::RightEdge::most_finished(leaves.size()));
  const size_t count = edge_->append(engine, leaves, finished_);
  int error = levels_.write(0, size_before_, leaves);
  if (error == 0) error = write_finished(size_before_, std::span(finished_).first(count));
  if (error == 0) error = levels_.write_place(block, place);
  if (error != 0) undo();
  return error;
}

// Each height is in order, but heights may alternate: one write for each.
int TreeWriter::write_finished(uint64_t old_size, std::span<const crypto::FinishedSubtree> finished) {
  for (unsigned level = 1; level < LevelFiles::kLevels; ++level) {
    const unsigned height = level * crypto::kTileHeight;
    run_.clear();
    for (const crypto::FinishedSubtree& subtree : finished)
      if (subtree.height == height) run_.push_back(subtree.root);
    if (run_.empty()) return 0;  // nothing higher either
    if (const int error = levels_.write(level, old_size >> height, run_); error != 0) return error;
  }
  return 0;
}

void TreeWriter::undo() {
  *edge_ = *crypto::RightEdge::restore(size_before_, peaks_before_);
  // What cannot be cut is written over by the next block, and cut at the next start.
  (void)levels_.truncate(size_before_, blocks_before_);
}

}  // namespace sluice::ledger
