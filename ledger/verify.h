// The offline verifier: every hash, root, header, signature and byte of a log directory. It shares nothing
// with the writer but the hash engine (which may be OpenSSL alone), so that a fault of the writer shows.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"
#include "crypto/sha256.h"

namespace sluice::ledger {

struct VerifyReport {
  uint64_t tree_size = 0;  ///< transactions checked
  uint64_t blocks = 0;
  uint64_t checkpoint_size = 0;  ///< what the released checkpoint covers
  std::string root;              ///< hex, of the checkpoint
  bool was_left_whole = false;   ///< whether what lies behind the checkpoint was checked too
};

/// The first fault, where it is.
struct VerifyFault {
  std::string file;    ///< relative to the directory
  uint64_t place = 0;  ///< byte in that file
  std::string what;

  /// `<file>: byte <place>: <what>`
  std::string to_string() const;
};

/// Reads the whole directory. What lies behind the released checkpoint is checked where `lock` says that the
/// log was left whole; else a gateway writes it, or was ended by a crash, or this is a copy of such a log.
/// Takes no lock and changes nothing; a gateway may start, run and stop meanwhile. `verifier_key` is a C2SP
/// verifier key that the checkpoint must be signed by; where it is empty, the log's own `vkey` is taken.
tl::expected<VerifyReport, VerifyFault> verify_log(const std::string& directory,
                                                   const std::string& verifier_key, crypto::Sha256& engine);

}  // namespace sluice::ledger
