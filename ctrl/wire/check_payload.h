// The bytes that a configuration gives as text: as they stand, or `hex:` and pairs of digits. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace sluice::ctrl {

inline constexpr size_t kMostPayloadBytes = 1400;

/// An Error says what would be right.
inline Result<std::string> payload_bytes(std::string_view text) {
  constexpr std::string_view kHex = "hex:", kDigits = "0123456789abcdef";
  std::string bytes(text);
  if (text.starts_with(kHex)) {
    text.remove_prefix(kHex.size());
    bytes.clear();
    if (text.size() % 2 != 0) return fail("hex: needs two digits for each byte");
    for (size_t i = 0; i < text.size(); i += 2) {
      const auto digit = [&](size_t at) {
        const char lower = text[at] >= 'A' && text[at] <= 'F' ? static_cast<char>(text[at] + 32) : text[at];
        return kDigits.find(lower);
      };
      const size_t high = digit(i), low = digit(i + 1);
      if (high == std::string_view::npos || low == std::string_view::npos) {
        return fail("hex: takes hexadecimal digits alone");
      }
      bytes.push_back(static_cast<char>(high << 4 | low));
    }
  }
  if (bytes.size() > kMostPayloadBytes) {
    return fail("at most " + std::to_string(kMostPayloadBytes) + " bytes");
  }
  return bytes;
}

}  // namespace sluice::ctrl
