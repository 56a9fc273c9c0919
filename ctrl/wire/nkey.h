// NATS' keys (github.com/nats-io/nkeys): Ed25519 by another name, as base32 with a word for what they are and
// a CRC. A client shows its public key and signs what the server has thrown its dice for. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"
#include "crypto/signature.h"

namespace sluice::ctrl::nats {

/// The key of a user's seed, `SU...`. No error quotes it.
Result<crypto::Ed25519PrivateKey> read_user_seed(std::string_view text);

/// `U...`, by which the server knows the user.
std::string user_text(const crypto::Ed25519PublicBytes& key);

/// As CONNECT has signatures: base64 of RFC 4648, 5, without padding.
std::string signature_text(std::span<const uint8_t> signature);

}  // namespace sluice::ctrl::nats
