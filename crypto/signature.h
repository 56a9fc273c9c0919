// Ed25519 (RFC 8032, pure) through OpenSSL's EVP. Off the hot path: calls allocate. A key may be used
// by one thread at a time; it owns its memory.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "common/result.h"
#include "crypto/secret.h"

struct evp_pkey_st;

namespace sluice::crypto {

using Ed25519Signature = std::array<uint8_t, 64>;
using Ed25519PublicBytes = std::array<uint8_t, 32>;
using Ed25519Seed = SecretBytes<32>;

namespace detail {
struct FreeKey {
  void operator()(evp_pkey_st* key) const;
};
using Key = std::unique_ptr<evp_pkey_st, FreeKey>;
}  // namespace detail

class Ed25519PublicKey {
 public:
  /// Takes any 32 bytes; those that are no point on the curve verify nothing.
  static Result<Ed25519PublicKey> from_bytes(std::span<const uint8_t, 32> bytes);

  /// Whether `signature`, of any length, is this key's over `message`. Strict about S < L (RFC 8032,
  /// 5.1.7), so that a signature has one form.
  bool verify(std::span<const uint8_t> message, std::span<const uint8_t> signature) const;

  const Ed25519PublicBytes& bytes() const { return bytes_; }

 private:
  Ed25519PublicKey(detail::Key key, const Ed25519PublicBytes& bytes) : key_(std::move(key)), bytes_(bytes) {}

  detail::Key key_;
  Ed25519PublicBytes bytes_;
};

class Ed25519PrivateKey {
 public:
  /// The key of a 32-byte seed, RFC 8032's private key.
  static Result<Ed25519PrivateKey> from_seed(Ed25519Seed seed);

  /// A new key from the system's random numbers.
  static Result<Ed25519PrivateKey> generate();

  Result<Ed25519Signature> sign(std::span<const uint8_t> message) const;

  const Ed25519PublicBytes& public_bytes() const { return public_bytes_; }
  const Ed25519Seed& seed() const { return seed_; }

 private:
  Ed25519PrivateKey(detail::Key key, Ed25519Seed seed, const Ed25519PublicBytes& public_bytes)
      : key_(std::move(key)), seed_(std::move(seed)), public_bytes_(public_bytes) {}

  detail::Key key_;
  Ed25519Seed seed_;
  Ed25519PublicBytes public_bytes_;
};

}  // namespace sluice::crypto
