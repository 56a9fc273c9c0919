// JSON Web Tokens (RFC 7519) that somebody else has signed: who is believed, and which tokens are good.
// RS256, ES256 and EdDSA; never `none`, never a shared secret. Pure; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

enum class TokenFault : uint8_t {
  kMalformed,
  kAlgorithm,
  kKeyId,
  kBadSignature,
  kIssuer,
  kAudience,
  kExpired,
  kNotYetValid,
};
/// `bad_signature`.
const char* name_of(TokenFault fault);

/// The public keys of an issuer: a JSON Web Key Set (RFC 7517).
class TokenKeys {
 public:
  static constexpr size_t kMostKeys = 100;

  /// Keys of other kinds and uses are passed over. An Error where none is left, or one is a shared secret.
  static Result<TokenKeys> parse(std::string_view key_set);
  TokenKeys(TokenKeys&&) noexcept;
  TokenKeys& operator=(TokenKeys&&) noexcept;
  ~TokenKeys();

  /// Of those keys that have one.
  std::vector<std::string> ids() const;
  bool has(std::string_view id) const;

  struct Expected {
    std::string issuer;    ///< empty: anyone whose key it is
    std::string audience;  ///< empty: any
  };
  static constexpr std::chrono::seconds kLeeway{60};
  static constexpr size_t kMostTokenBytes = 16384;

  /// The claims of a token, a JSON object as text.
  tl::expected<std::string, TokenFault> verify(std::string_view token, const Expected& expected,
                                               std::chrono::system_clock::time_point now) const;

 private:
  struct Key;
  explicit TokenKeys(std::vector<Key> keys);
  const Key* find(const nlohmann::json& header, TokenFault& fault) const;
  std::vector<Key> keys_;
};

/// The key's id that a token names, whatever else it says; empty: none.
std::string key_id_of(std::string_view token);

}  // namespace sluice::ctrl
