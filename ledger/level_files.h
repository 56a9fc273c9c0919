// `tiles/`: the hash tiles as one flat file for each level, and the block index. All of it can be rebuilt
// from the journal. One writer or many readers; a reader looks only below what a checkpoint covers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "common/bytes.h"
#include "crypto/merkle_proof.h"
#include "ledger/file_system.h"

namespace sluice::ledger {

/// Where a block's record lies. 16 bytes, entry N of `tiles/blocks` for block N.
struct BlockPlace {
  Be64 first_index;
  Be32 segment;
  Be32 offset;  ///< in units of kRecordAlignment
};
static_assert(sizeof(BlockPlace) == 16);

/// Tile level l keeps the roots of the complete subtrees of 256^l leaves, 32 bytes each, in `tiles/<l>`:
/// tile N of C2SP tlog-tiles is bytes [8192 N, 8192 N + 8192) of it.
class LevelFiles {
 public:
  static constexpr unsigned kLevels = 8;  // 256^8 leaves are more than there are indexes

  enum class Access : uint8_t {
    kRead,     ///< fails where a file is missing
    kWrite,    ///< makes the files that are missing
    kExamine,  ///< reads; a file that is missing is empty
  };
  static Result<LevelFiles> open(FileSystem& files, const std::string& directory, Access access);

  /// Writes hashes from `index` on. Results below zero are -errno.
  int write(unsigned level, uint64_t index, std::span<const crypto::Digest> hashes);
  int write_place(uint64_t block, const BlockPlace& place);
  /// Reads hashes; fails where the file is shorter.
  Result<void> read(unsigned level, uint64_t index, std::span<crypto::Digest> hashes) const;
  Result<BlockPlace> place(uint64_t block) const;
  /// As many places as there is room for, from `block` on; fails where the file is shorter.
  Result<void> places(uint64_t block, std::span<BlockPlace> places) const;
  /// How many whole entries `tiles/blocks` has.
  Result<uint64_t> blocks() const;
  /// The block among the first `blocks` that leaf `index` is in, as far as the index is right.
  uint64_t block_of(uint64_t index, uint64_t blocks) const;

  /// Cuts the files to what a log of that size has.
  Result<void> truncate(uint64_t tree_size, uint64_t blocks);
  /// Everything written is on stable storage once this returned 0.
  int sync();

  /// Any node of the tree, computed from the tile that holds it.
  Result<crypto::Digest> node(unsigned height, uint64_t index) const;
  crypto::NodeReader reader() const;

 private:
  FileSystem* files_ = nullptr;
  std::string directory_;
  std::array<File, kLevels> levels_;
  File blocks_;
};

}  // namespace sluice::ledger
