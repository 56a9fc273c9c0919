// The key that signs checkpoints, from where the configuration says it is. At start, control thread.
#pragma once

#include <string>

#include "common/result.h"
#include "crypto/signed_note.h"

namespace sluice::ctrl {

/// Reads the one line of the file that `reference` (`file:/path`) names. Its key must bear the name
/// `origin`, and the file must be its owner's alone. No error quotes what the file holds.
Result<crypto::NoteSigner> read_signing_key(const std::string& reference, const std::string& origin);

}  // namespace sluice::ctrl
