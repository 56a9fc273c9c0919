// Brings a log directory to a state that can be extended, at the start of the journal and on its thread.
// First examine(), which refuses what cannot be gone on with and changes nothing; then settle(), which
// writes. Reads the newest segment and the end of the level files; a full rehash happens only where those are
// gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "crypto/signed_note.h"
#include "ledger/file_system.h"
#include "ledger/tree_writer.h"

namespace sluice::ledger {

/// The end of the log: what the next block follows.
struct LogEnd {
  uint64_t blocks = 0;
  uint64_t tree_size = 0;
  uint64_t time_ns = 0;        ///< of the last block
  crypto::Digest last_hash{};  ///< of the last block's header; meaningless while blocks is 0
};

/// An end of the log, and where the next record goes.
struct JournalPoint {
  LogEnd end;
  uint32_t segment = 0;
  uint64_t offset = 0;
};

struct Recovered {
  JournalPoint last;
  uint32_t segments = 0;
  std::optional<uint32_t> mark;  ///< of the log's records; nothing where none has one
  bool has_checkpoint = false;
  uint64_t checkpoint_size = 0;

  // What settle() is to do.
  std::optional<JournalPoint> rebuild_from;  ///< the level files do not have what follows
  struct Stain {
    uint32_t segment;
    uint64_t offset;
    uint64_t bytes;  ///< must be zero, and are not
  };
  std::vector<Stain> stains;
  std::vector<std::string> notices;  ///< what will be cut or mended, one line each
};

/// Reads, checks and decides. Fails where a record that was durable is not right or gone, and where the log
/// does not extend the released checkpoint, which `verifier` must have signed.
///
/// Before a segment is begun, the one before it and the level files are synced (Journal::append). So only the
/// newest one may be torn, and the level files are whole up to its start.
Result<Recovered> examine(FileSystem& files, const std::string& directory,
                          const crypto::NoteVerifier& verifier, crypto::Sha256& engine);

/// Does what was found to be done: cuts the torn tail, mends the level files, fills `tree`. The log is on
/// stable storage when this returns.
Result<void> settle(FileSystem& files, const std::string& directory, crypto::Sha256& engine,
                    const Recovered& found, TreeWriter& tree);

}  // namespace sluice::ledger
