#include "ledger/transaction.h"

#include <algorithm>
#include <string>

#include "ledger/bitcoin.h"

namespace sluice::ledger {

std::string_view name_of(Profile profile) {
  switch (profile) {
    case Profile::kOpaque:
      return "opaque";
    case Profile::kBitcoin:
      return "bitcoin";
  }
  return "";
}

Result<Profile> profile_named(std::string_view name) {
  for (const Profile profile : {Profile::kOpaque, Profile::kBitcoin})
    if (name == name_of(profile)) return profile;
  return fail("no profile \"" + std::string(name) + "\": there are opaque and bitcoin");
}

Parsed parse(Profile profile, std::span<const uint8_t> payload) {
  if (payload.empty() || payload.size() > kMostPayload) return {};
  switch (profile) {
    case Profile::kOpaque:
      return {true, crypto::Rounds::once, {payload, {}, {}}};
    case Profile::kBitcoin:
      return parse_bitcoin(payload);
  }
  return {};
}

std::span<const uint8_t> id_bytes(const Parsed& parsed, std::span<uint8_t> scratch) {
  if (parsed.id_pieces[1].empty()) return parsed.id_pieces[0];
  uint8_t* at = scratch.data();
  for (const std::span<const uint8_t> piece : parsed.id_pieces)
    at = std::copy(piece.begin(), piece.end(), at);
  return scratch.first(static_cast<size_t>(at - scratch.data()));
}

}  // namespace sluice::ledger
