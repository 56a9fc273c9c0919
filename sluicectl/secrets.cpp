#include "sluicectl/secrets.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

/// Parts of the names of what is secret.
constexpr std::array<std::string_view, 9> kSecret = {
    "hash_key", "password", "passwd", "token", "secret", "headers", "credential", "authorization", "private"};

bool is_secret(std::string_view name) {
  return std::ranges::any_of(kSecret, [&](auto part) { return name.find(part) != std::string_view::npos; });
}

bool is_reference(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>().starts_with("file:");
}

/// `nats://user:password@host`: nothing between the scheme and the `@` stays.
void hide_user(std::string& text) {
  const size_t scheme = text.find("://");
  if (scheme == std::string::npos) return;
  const size_t end = std::min(text.find('/', scheme + 3), text.size());
  const size_t at = text.rfind('@', end);
  if (at != std::string::npos && at > scheme) text.replace(scheme + 3, at - scheme - 3, "(left out)");
}

}  // namespace

json without_secrets(json value) {
  if (value.is_object()) {
    for (auto& [name, member] : value.items()) {
      if (is_secret(name) && !is_reference(member) && !member.is_null()) {
        member = "(left out)";
      } else {
        member = without_secrets(std::move(member));
      }
    }
  } else if (value.is_array()) {
    for (json& item : value) item = without_secrets(std::move(item));
  } else if (value.is_string()) {
    hide_user(value.get_ref<std::string&>());
  }
  return value;
}

}  // namespace sluice::sluicectl
