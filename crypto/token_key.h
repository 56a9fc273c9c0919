// Public keys that signed tokens are verified with (RFC 7518, RFC 8037): RS256, ES256 and EdDSA, and nothing
// else. Off the hot path: calls allocate. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "common/result.h"
#include "crypto/signature.h"

namespace sluice::crypto {

class TokenKey {
 public:
  enum class Algorithm : uint8_t { kRs256, kEs256, kEdDsa };

  /// Modulus and exponent, big-endian; at least 2048 bits.
  static Result<TokenKey> rsa(std::span<const uint8_t> modulus, std::span<const uint8_t> exponent);
  /// A point of P-256: 32 bytes each.
  static Result<TokenKey> p256(std::span<const uint8_t> x, std::span<const uint8_t> y);
  static Result<TokenKey> ed25519(std::span<const uint8_t> x);

  /// The only one that this key is for.
  Algorithm algorithm() const { return algorithm_; }
  /// Whether `signature`, as a token has it, is this key's over `message`.
  bool verify(std::span<const uint8_t> message, std::span<const uint8_t> signature) const;

 private:
  TokenKey(Algorithm algorithm, detail::Key key) : algorithm_(algorithm), key_(std::move(key)) {}

  Algorithm algorithm_;
  detail::Key key_;
};

}  // namespace sluice::crypto
