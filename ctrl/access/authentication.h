// What became of somebody's attempt to say who they are, and how often. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::ctrl {

enum class Authentication : uint8_t {
  kOk,
  kNoCredentials,
  kUntrusted,    ///< no authority of ours vouches for the certificate
  kExpired,      ///< the certificate or the token
  kNotYetValid,  ///< likewise
  kRevokedKey,   ///< a certificate on a revocation list, a token of a key that has left the key set
  kBadSignature,
  kAlgorithm,
  kIssuer,
  kAudience,
  kKeyId,
  kRole,     ///< known, but without a role
  kLimited,  ///< too many failures from there
  kMalformed,
};
inline constexpr std::array kAuthenticationNames = {
    "ok",        "no_credentials", "untrusted", "expired", "not_yet_valid", "revoked_key", "bad_signature",
    "algorithm", "issuer",         "audience",  "key_id",  "role",          "limited",     "malformed"};

inline const char* name_of(Authentication authentication) {
  return kAuthenticationNames[static_cast<size_t>(authentication)];
}

class AuthenticationCounts {
 public:
  void add(Authentication authentication) {
    counts_[static_cast<size_t>(authentication)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t of(Authentication authentication) const {
    return counts_[static_cast<size_t>(authentication)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<uint64_t>, kAuthenticationNames.size()> counts_{};
};

}  // namespace sluice::ctrl
