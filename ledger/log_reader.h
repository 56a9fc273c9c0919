// The log as its readers see it: tiles, entries, blocks and proofs of what the released checkpoint covers.
// Reads the directory alone, so it serves the control thread beside a running journal as well as `export`
// offline. One thread; owns its descriptors; calls allocate and may wait for the disk.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "crypto/merkle_proof.h"
#include "ledger/block.h"
#include "ledger/checkpoint.h"
#include "ledger/file_system.h"
#include "ledger/level_files.h"
#include "ledger/record_reader.h"
#include "ledger/tile_path.h"

namespace sluice::ledger {

/// A block, ready to be shown.
struct BlockView {
  uint64_t number = 0;
  BlockMetadata metadata;
  BlockHeader header;
  crypto::Digest hash{};
  std::vector<uint8_t> header_der;
  std::vector<crypto::Digest> leaf_hashes;
};

class LogReader {
 public:
  /// Fails where the directory is no log.
  static Result<LogReader> open(FileSystem& files, std::string directory);

  /// The released note, verbatim.
  Result<std::string> checkpoint();
  /// The bytes that tlog-tiles serves under `path`; nothing where the checkpoint does not cover all of it.
  Result<std::optional<std::string>> tile(const TilePath& path);
  /// Block `number`, or nothing where the checkpoint does not cover it.
  Result<std::optional<BlockView>> block(uint64_t number);
  /// The C2SP tlog-proof of leaf `index` under the released checkpoint, which covers it, or nothing.
  Result<std::optional<std::string>> proof(uint64_t index);
  /// The size that the released checkpoint covers.
  Result<uint64_t> size();

 private:
  LogReader(FileSystem& files, std::string directory, LevelFiles levels)
      : files_(&files), directory_(std::move(directory)), levels_(std::move(levels)) {}

  /// A record and the reader that its bytes lie in.
  struct Found {
    RecordReader reader;
    Record record;
    BlockHeader header;
  };

  Result<std::string> entries(uint64_t first, uint64_t count);
  Result<Found> find(uint64_t block);
  std::optional<Found> find_at(uint64_t block, uint32_t segment, uint64_t offset);
  Result<Checkpoint> parsed_checkpoint();

  FileSystem* files_;
  std::string directory_;
  LevelFiles levels_;
};

}  // namespace sluice::ledger
