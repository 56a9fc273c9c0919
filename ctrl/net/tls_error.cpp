#include "ctrl/net/tls_error.h"

#include <openssl/err.h>

namespace sluice::ctrl {

std::string openssl_text() {
  const unsigned long error = ::ERR_peek_last_error();
  const char* reason = ::ERR_reason_error_string(error);
  ::ERR_clear_error();
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace sluice::ctrl
