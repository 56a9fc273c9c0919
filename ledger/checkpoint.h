// The checkpoint: three lines that name the log, its size and its root (C2SP tlog-checkpoint), in a signed
// note. Off the hot path; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "crypto/sha256_message.h"

namespace sluice::ledger {

/// Bytes of the note that a checkpoint lies in.
inline constexpr size_t kMostNote = 65536;

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  crypto::Digest root{};

  /// The text that is signed: exactly three lines.
  std::string text() const;
  /// Reads the text of a note, or the note itself: whatever follows the three lines is not looked at.
  static Result<Checkpoint> parse(std::string_view note);
};

}  // namespace sluice::ledger
