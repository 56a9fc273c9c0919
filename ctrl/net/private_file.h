// Passwords, tokens and private keys, from the files that the configuration names: read for each use, erased
// after it, and never quoted by an error. Any thread.
#pragma once

#include <string>

#include "common/result.h"
#include "crypto/secret.h"

namespace sluice::ctrl {

struct PrivateFile {
  crypto::SecretText text;
  /// Others than its owner may read it. What root owns, or systemd hands over as a credential, may be
  /// readable by the group that it is meant for.
  bool is_open_to_others;
};

/// The file that `reference` is: an absolute name, or `credential:NAME`, which systemd has put into
/// $CREDENTIALS_DIRECTORY (systemd.exec(5)).
std::string private_path(const std::string& reference);
/// All of it, up to 64 KiB. An Error begins with the reference.
Result<PrivateFile> read_private_file(const std::string& reference);
/// What is wrong with one that is open to others, and how to mend it.
Error open_to_others(const std::string& reference);

}  // namespace sluice::ctrl
