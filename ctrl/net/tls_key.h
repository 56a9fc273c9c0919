// A certificate and its private key, from files, for a client or a server. One thread.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "common/result.h"

namespace sluice::ctrl {

/// Has `context` show what `certificate` holds and own the key of the file `key`; both are PEM. An Error
/// names the file that is no good. A key that needs a password is none. `must_be_private`: so is a key that
/// others than its owner may read; else it is told of (open_secrets.h).
Result<void> use_certificate(SSL_CTX& context, const std::string& certificate, const std::string& key,
                             bool must_be_private);

}  // namespace sluice::ctrl
