// `file:/etc/sluice/token`: how a configuration refers to a file's content. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace sluice::ctrl {

/// The name of the file, or `credential:NAME` as it is: what systemd hands over (systemd.exec(5)). A secret
/// is never written into a configuration: that would show it to everybody who may look at one.
Result<std::string> parse_secret_file(std::string_view text);
/// The inverse.
std::string secret_reference(const std::string& file);
/// Of what is no secret; `file:` may be left out.
Result<std::string> parse_public_file(std::string_view text);

}  // namespace sluice::ctrl
