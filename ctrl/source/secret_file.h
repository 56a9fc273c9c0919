// Passwords and tokens, from the files that the configuration names. They rotate, so they are read for each
// use, and erased after it.
#pragma once

#include <string>

#include "crypto/secret.h"

namespace sluice::ctrl {

/// The text of the file without blanks at its end. Throws PeerFault, which never quotes it, where it cannot
/// be read, is empty, longer than 64 KiB, or of several lines.
crypto::SecretText read_secret(const std::string& path);

}  // namespace sluice::ctrl
