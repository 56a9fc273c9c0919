// Compresses what is answered to browsers (RFC 1952). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace sluice::ctrl {

/// At zlib's quickest. Empty where there is no memory for it.
std::string gzip(std::string_view text);

}  // namespace sluice::ctrl
