// The hash key of a gateway whose configuration gives none: drawn once, and kept in the state directory, so
// that a restart changes no backend. Control thread, before packets.
#pragma once

#include <string>

#include "common/siphash.h"

namespace sluice::ctrl {

struct KeptHashKey {
  SipKey key;
  std::string file;
  /// Why it counts for this run only, for people; empty: it is kept in `file`.
  std::string problem = {};
};

/// The key in DIRECTORY/hash_key; where that file is not there it is made, readable by its owner alone and
/// durable before it counts, and the directory with it. A file that is there is never changed.
KeptHashKey keep_hash_key(const std::string& directory);

}  // namespace sluice::ctrl
