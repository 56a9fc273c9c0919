#include "ctrl/net/tls_key.h"

#include <openssl/err.h>

#include <memory>

#include "ctrl/net/open_secrets.h"
#include "ctrl/net/private_file.h"
#include "ctrl/net/tls_error.h"

namespace sluice::ctrl {
namespace {

/// Nobody is there to be asked for a password.
int no_password(char*, int, int, void*) {
  return 0;
}

std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> key_in(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&::BIO_free)> text(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free);
  return {text ? ::PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr) : nullptr,
          ::EVP_PKEY_free};
}

}  // namespace

Result<void> use_certificate(SSL_CTX& context, const std::string& certificate, const std::string& key,
                             bool must_be_private) {
  ::ERR_clear_error();
  if (::SSL_CTX_use_certificate_chain_file(&context, certificate.c_str()) != 1) {
    return fail("cannot read the certificate " + certificate + ": " + openssl_text());
  }
  const auto file = read_private_file(key);
  if (!file) return fail("cannot use the key " + file.error().message);
  if (must_be_private && file->is_open_to_others) return tl::unexpected(open_to_others(key));
  note_secret(key, file->is_open_to_others);
  const auto own = key_in(file->text.reveal());
  if (!own || ::SSL_CTX_use_PrivateKey(&context, own.get()) != 1 ||
      ::SSL_CTX_check_private_key(&context) != 1) {
    return fail("cannot use the key " + key + ": " + openssl_text());
  }
  return {};
}

}  // namespace sluice::ctrl
