#include "ctrl/intent/file_reference.h"

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kFile = "file:";

}  // namespace

Result<std::string> parse_secret_file(std::string_view text) {
  if (text.starts_with(kFile)) {
    if (auto path = parse_absolute_path(text.substr(kFile.size()))) return path;
  }
  return fail("must be a reference such as file:/etc/sluice/token: secrets are not part of a configuration");
}

Result<std::string> parse_public_file(std::string_view text) {
  const auto path = parse_absolute_path(text.starts_with(kFile) ? text.substr(kFile.size()) : text);
  if (path) return path;
  return fail("\"" + std::string(text) + "\" is not a reference such as file:/etc/sluice/ca.pem");
}

}  // namespace sluice::ctrl
