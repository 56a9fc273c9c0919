// Passwords and tokens, from the files that the configuration names. They rotate, so they are read for each
// use, and erased after it.
#pragma once

#include <string>

#include "crypto/secret.h"

namespace sluice::ctrl {

/// The text of the file without blanks at its end. Throws PeerFault, which never quotes it, where it cannot
/// be read, is empty, longer than 64 KiB, or of several lines; one that is open to others is said once. A
/// pod's own token is, as Kubernetes makes it: `may_be_open`.
crypto::SecretText read_secret(const std::string& reference, bool may_be_open = false);

}  // namespace sluice::ctrl
