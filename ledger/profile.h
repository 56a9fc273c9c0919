// What the payloads of an ingress are. Plain values.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "common/result.h"

namespace sluice::ledger {

/// What each does is a row of transaction.cpp. The numbers are part of the journal's format.
enum class Profile : uint8_t {
  kOpaque = 0,   ///< any bytes; txid = SHA-256(payload)
  kBitcoin = 1,  ///< one raw transaction; txid = SHA-256(SHA-256(it without witness))
};

/// Every profile, in the order of their numbers, which begin at 0.
std::span<const std::string_view> profile_names();
std::string_view name_of(Profile profile);
/// The profile of that name in the configuration, or an error that lists the names.
Result<Profile> profile_named(std::string_view name);

}  // namespace sluice::ledger
