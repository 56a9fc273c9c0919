// Bytes as text: base64 (RFC 4648, 4, with padding) and lower-case hex. Off the hot path: results are
// allocated. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::crypto {

std::string to_base64(std::span<const uint8_t> bytes);
/// The same, behind what `text` has already.
void add_base64(std::string& text, std::span<const uint8_t> bytes);

/// Only the one canonical text of some bytes is taken: padding complete, unused bits zero, no white
/// space. Nothing otherwise.
std::optional<std::vector<uint8_t>> from_base64(std::string_view text);

std::string to_hex(std::span<const uint8_t> bytes);

/// Digits of either case; nothing where their number is odd or one is no digit.
std::optional<std::vector<uint8_t>> from_hex(std::string_view text);

}  // namespace sluice::crypto
