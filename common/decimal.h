// Decimal numbers that outsiders write into paths and arguments. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

/// `number` with more digits behind it; nothing where one is no digit, or the result is not below 2^64.
constexpr std::optional<uint64_t> append_digits(uint64_t number, std::string_view digits) {
  for (const char digit : digits) {
    if (digit < '0' || digit > '9' || __builtin_mul_overflow(number, uint64_t{10}, &number) ||
        __builtin_add_overflow(number, static_cast<uint64_t>(digit - '0'), &number))
      return std::nullopt;
  }
  return number;
}

/// The number below 2^64 that `text` writes in the one canonical way: digits alone, without leading zeros.
constexpr std::optional<uint64_t> parse_decimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return append_digits(0, text);
}

}  // namespace sluice
