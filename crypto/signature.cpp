#include "crypto/signature.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

namespace sluice::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

}  // namespace

void detail::FreeKey::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

Result<Ed25519PublicKey> Ed25519PublicKey::from_bytes(std::span<const uint8_t, 32> bytes) {
  detail::Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
  if (!key) return fail("OpenSSL refuses the Ed25519 public key");
  Ed25519PublicBytes copy;
  std::ranges::copy(bytes, copy.begin());
  return Ed25519PublicKey(std::move(key), copy);
}

bool Ed25519PublicKey::verify(std::span<const uint8_t> message, std::span<const uint8_t> signature) const {
  const Context context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::from_seed(Ed25519Seed seed) {
  const auto bytes = std::as_const(seed).reveal();
  detail::Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
  Ed25519PublicBytes public_bytes;
  size_t size = public_bytes.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), public_bytes.data(), &size) != 1)
    return fail("OpenSSL refuses the Ed25519 private key");
  return Ed25519PrivateKey(std::move(key), std::move(seed), public_bytes);
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::generate() {
  Ed25519Seed seed;
  const auto bytes = seed.reveal();
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return fail("the system gives no random numbers for a key");
  return from_seed(std::move(seed));
}

Result<Ed25519Signature> Ed25519PrivateKey::sign(std::span<const uint8_t> message) const {
  const Context context(EVP_MD_CTX_new());
  Ed25519Signature signature;
  size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    return fail("OpenSSL fails to sign");
  return signature;
}

}  // namespace sluice::crypto
