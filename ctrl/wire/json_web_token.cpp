#include "ctrl/wire/json_web_token.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/token_key.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using crypto::TokenKey;
using nlohmann::json;
using Octets = std::vector<uint8_t>;

/// base64url without padding (RFC 7515, 2).
std::optional<Octets> from_base64url(std::string_view text) {
  if (text.find_first_of("+/=") != std::string_view::npos || text.size() % 4 == 1) return std::nullopt;
  std::string plain(text);
  std::ranges::replace(plain, '-', '+');
  std::ranges::replace(plain, '_', '/');
  plain.append((4 - plain.size() % 4) % 4, '=');
  return crypto::from_base64(plain);
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::optional<json> object_in(std::string_view part) {
  const auto bytes = from_base64url(part);
  if (!bytes) return std::nullopt;
  auto object = parse_bounded_json({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!object || !object->is_object()) return std::nullopt;
  return std::move(*object);
}

std::string_view word_for(TokenKey::Algorithm algorithm) {
  switch (algorithm) {
    case TokenKey::Algorithm::kRs256:
      return "RS256";
    case TokenKey::Algorithm::kEs256:
      return "ES256";
    case TokenKey::Algorithm::kEdDsa:
      return "EdDSA";
  }
  return "";
}

bool is_known_algorithm(std::string_view word) {
  using enum TokenKey::Algorithm;
  return word == word_for(kRs256) || word == word_for(kEs256) || word == word_for(kEdDsa);
}

/// Nothing: a key of another kind.
Result<std::optional<TokenKey>> key_of(const json& key) {
  const auto number = [&](const char* name) {
    return from_base64url(text_in(member(key, name))).value_or(Octets());
  };
  const std::string_view kind = text_in(member(key, "kty")), curve = text_in(member(key, "crv"));
  const std::string_view use = text_in(member(key, "use"));
  if (kind == "oct") return fail("it has a shared secret, which is no public key");
  if (!use.empty() && use != "sig") return std::nullopt;
  Result<TokenKey> made = fail("");
  if (kind == "RSA") {
    made = TokenKey::rsa(number("n"), number("e"));
  } else if (kind == "EC" && curve == "P-256") {
    made = TokenKey::p256(number("x"), number("y"));
  } else if (kind == "OKP" && curve == "Ed25519") {
    made = TokenKey::ed25519(number("x"));
  } else {
    return std::nullopt;
  }
  if (!made) return tl::unexpected(made.error());
  const std::string_view algorithm = text_in(member(key, "alg"));
  if (!algorithm.empty() && algorithm != word_for(made->algorithm())) return std::nullopt;
  return std::optional<TokenKey>(std::move(*made));
}

bool has_audience(const json& claims, const std::string& expected) {
  const json& audience = member(claims, "aud");
  if (audience.is_string()) return audience == expected;
  return audience.is_array() &&
         std::ranges::any_of(audience, [&](const json& one) { return one == expected; });
}

/// Seconds since 1970; nothing where the claim is no number.
std::optional<double> time_in(const json& claims, const char* name) {
  const json& value = member(claims, name);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::optional<TokenFault> fault_of(const json& claims, const TokenKeys::Expected& expected, double now) {
  const double leeway = static_cast<double>(TokenKeys::kLeeway.count());
  if (!expected.issuer.empty() && member(claims, "iss") != expected.issuer) return TokenFault::kIssuer;
  if (!expected.audience.empty() && !has_audience(claims, expected.audience)) return TokenFault::kAudience;
  const auto expires = time_in(claims, "exp");
  if (!expires) return TokenFault::kMalformed;
  if (now >= *expires + leeway) return TokenFault::kExpired;
  if (!claims.contains("nbf")) return std::nullopt;
  const auto begins = time_in(claims, "nbf");
  if (!begins) return TokenFault::kMalformed;
  if (now + leeway < *begins) return TokenFault::kNotYetValid;
  return std::nullopt;
}

}  // namespace

const char* name_of(TokenFault fault) {
  constexpr std::array kNames = {"malformed", "algorithm", "key_id",  "bad_signature",
                                 "issuer",    "audience",  "expired", "not_yet_valid"};
  return kNames[static_cast<size_t>(fault)];
}

struct TokenKeys::Key {
  std::string id;  ///< empty: it has none
  TokenKey key;
};

TokenKeys::TokenKeys(std::vector<Key> keys) : keys_(std::move(keys)) {}
TokenKeys::TokenKeys(TokenKeys&&) noexcept = default;
TokenKeys& TokenKeys::operator=(TokenKeys&&) noexcept = default;
TokenKeys::~TokenKeys() = default;

Result<TokenKeys> TokenKeys::parse(std::string_view key_set) {
  const auto set = parse_bounded_json(key_set);
  const json& list = set ? member(*set, "keys") : json();
  if (!set || !list.is_array()) return fail("is no JSON Web Key Set");
  if (list.size() > kMostKeys) return fail("has more than 100 keys");
  std::vector<Key> keys;
  for (const json& entry : list) {
    auto key = key_of(entry);
    if (!key) return tl::unexpected(key.error());
    if (*key) keys.push_back({std::string(text_in(member(entry, "kid"))), std::move(**key)});
  }
  if (keys.empty()) return fail("has no key for RS256, ES256 or EdDSA");
  return TokenKeys(std::move(keys));
}

std::vector<std::string> TokenKeys::ids() const {
  std::vector<std::string> ids;
  for (const Key& key : keys_) {
    if (!key.id.empty()) ids.push_back(key.id);
  }
  return ids;
}

bool TokenKeys::has(std::string_view id) const {
  return std::ranges::find(keys_, id, &Key::id) != keys_.end();
}

std::string key_id_of(std::string_view token) {
  const auto header =
      token.size() <= TokenKeys::kMostTokenBytes ? object_in(token.substr(0, token.find('.'))) : std::nullopt;
  return header ? std::string(text_in(member(*header, "kid"))) : "";
}

/// By the key's id where the token names one; without one there must be but one key that can be meant.
const TokenKeys::Key* TokenKeys::find(const json& header, TokenFault& fault) const {
  const std::string_view algorithm = text_in(member(header, "alg"));
  const std::string_view id = text_in(member(header, "kid"));
  const Key* found = nullptr;
  fault = TokenFault::kAlgorithm;
  if (!is_known_algorithm(algorithm)) return nullptr;
  fault = TokenFault::kKeyId;
  for (const Key& key : keys_) {
    if (header.contains("kid") && key.id != id) continue;
    if (word_for(key.key.algorithm()) != algorithm) {
      if (found == nullptr) fault = TokenFault::kAlgorithm;
      continue;
    }
    if (found != nullptr) {
      fault = TokenFault::kKeyId;
      return nullptr;
    }
    found = &key;
  }
  return found;
}

tl::expected<std::string, TokenFault> TokenKeys::verify(std::string_view token, const Expected& expected,
                                                        std::chrono::system_clock::time_point now) const {
  const auto refuse = [](TokenFault fault) { return tl::unexpected(fault); };
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.size() > kMostTokenBytes ||
      token.find('.', second + 1) != std::string_view::npos) {
    return refuse(TokenFault::kMalformed);
  }
  const auto header = object_in(token.substr(0, first));
  const auto signature = from_base64url(token.substr(second + 1));
  // RFC 7515, 4.1.11: what must be understood, and is not.
  if (!header || !signature || header->contains("crit")) return refuse(TokenFault::kMalformed);
  TokenFault fault = TokenFault::kMalformed;
  const Key* const key = find(*header, fault);
  if (key == nullptr) return refuse(fault);
  if (!key->key.verify(bytes_of(token.substr(0, second)), *signature))
    return refuse(TokenFault::kBadSignature);
  const auto claims = object_in(token.substr(first + 1, second - first - 1));
  if (!claims) return refuse(TokenFault::kMalformed);
  const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  if (const auto wrong = fault_of(*claims, expected, seconds)) return refuse(*wrong);
  return claims->dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace sluice::ctrl
