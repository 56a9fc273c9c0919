#include "ledger/transaction.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

#include "ledger/bitcoin.h"

namespace sluice::ledger {

namespace {

Parsed parse_opaque(std::span<const uint8_t> payload) {
  return {true, crypto::Rounds::once, {payload, {}, {}}};
}

/// In the order of the profiles' numbers.
constexpr auto kNames = std::to_array<std::string_view>({"opaque", "bitcoin"});
constexpr Parsed (*kParsers[])(std::span<const uint8_t>) = {parse_opaque, parse_bitcoin};
static_assert(kNames.size() == std::size(kParsers));

}  // namespace

std::span<const std::string_view> profile_names() {
  return kNames;
}

std::string_view name_of(Profile profile) {
  return kNames[static_cast<size_t>(profile)];
}

Result<Profile> profile_named(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found != kNames.end()) return static_cast<Profile>(found - kNames.begin());
  std::string names;
  for (const auto& known : kNames) names += (names.empty() ? "" : ", ") + std::string(known);
  return fail("no profile \"" + std::string(name) + "\": there are " + names);
}

Parsed parse(Profile profile, std::span<const uint8_t> payload) {
  if (payload.empty() || payload.size() > kMostPayload) return {};
  return kParsers[static_cast<size_t>(profile)](payload);
}

std::span<const uint8_t> id_bytes(const Parsed& parsed, std::span<uint8_t> scratch) {
  if (parsed.id_pieces[1].empty()) return parsed.id_pieces[0];
  uint8_t* at = scratch.data();
  for (const std::span<const uint8_t> piece : parsed.id_pieces)
    at = std::copy(piece.begin(), piece.end(), at);
  return scratch.first(static_cast<size_t>(at - scratch.data()));
}

}  // namespace sluice::ledger
