// What OpenSSL says has gone wrong. The thread that it went wrong on.
#pragma once

#include <string>

namespace sluice::ctrl {

/// The words for the last failure of this thread, which is forgotten with that.
std::string openssl_text();

}  // namespace sluice::ctrl
