// Brings a log directory to a state that can be extended, at the start of the journal and on its thread.
// Reads the newest segment and the end of the level files; a full rehash happens only where those are gone.
#pragma once

#include <cstdint>
#include <string>

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

struct Recovered {
  LogEnd end;
  uint32_t segments = 0;
  uint64_t segment_end = 0;  ///< in the newest segment: where the next record goes
  bool has_checkpoint = false;
  uint64_t checkpoint_size = 0;
};

/// Cuts a torn tail off the newest segment and fills `tree` up to what is left. Fails where a record before
/// the tail is not right, and where the log does not extend the released checkpoint, which `verifier` must
/// have signed. What remains is on stable storage when this returns.
///
/// Before a segment is begun, the one before it and the level files are synced (Journal::append). So only the
/// newest one may be torn, and the level files are whole up to its start.
Result<Recovered> recover(FileSystem& files, const std::string& directory,
                          const crypto::NoteVerifier& verifier, crypto::Sha256& engine, TreeWriter& tree);

}  // namespace sluice::ledger
