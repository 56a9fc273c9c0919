#include "ctrl/intent/file_reference.h"

#include <algorithm>

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kFile = "file:";
constexpr std::string_view kCredential = "credential:";

/// A name that is one of a directory's own.
bool is_credential_name(std::string_view name) {
  const auto is_usual = [](char byte) { return byte > ' ' && byte < 0x7f && byte != '/'; };
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         std::ranges::all_of(name, is_usual);
}

}  // namespace

Result<std::string> parse_secret_file(std::string_view text) {
  if (text.starts_with(kFile)) {
    if (auto path = parse_absolute_path(text.substr(kFile.size()))) return path;
  }
  if (text.starts_with(kCredential) && is_credential_name(text.substr(kCredential.size()))) {
    return std::string(text);
  }
  return fail("must be a reference such as file:/etc/sluice/token: secrets are not part of a configuration");
}

std::string secret_reference(const std::string& file) {
  return file.starts_with(kCredential) ? file : std::string(kFile) + file;
}

Result<std::string> parse_public_file(std::string_view text) {
  const auto path = parse_absolute_path(text.starts_with(kFile) ? text.substr(kFile.size()) : text);
  if (path) return path;
  return fail("\"" + std::string(text) + "\" is not a reference such as file:/etc/sluice/ca.pem");
}

}  // namespace sluice::ctrl
