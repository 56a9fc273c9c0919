#include "ctrl/intent/yaml_scalar.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::ctrl {
namespace {

using nlohmann::json;

template <typename T>
std::optional<json> parse_integer(std::string_view digits, int base) {
  T number{};
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (code != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return json(number);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<json> resolve_integer(std::string_view text) {
  if (text.starts_with("0x")) return parse_integer<uint64_t>(text.substr(2), 16);
  if (text.starts_with("0o")) return parse_integer<uint64_t>(text.substr(2), 8);
  const bool negative = text.starts_with('-');
  const std::string_view digits = negative || text.starts_with('+') ? text.substr(1) : text;
  if (digits.empty() || !is_digit(digits[0]) || (digits[0] == '0' && digits.size() > 1)) return std::nullopt;
  return negative ? parse_integer<int64_t>(text, 10) : parse_integer<uint64_t>(digits, 10);
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
std::optional<json> resolve_float(std::string_view text) {
  if (text.starts_with("+-")) return std::nullopt;
  const std::string_view number = text.starts_with('+') ? text.substr(1) : text;
  const std::string_view unsigned_part = number.starts_with('-') ? number.substr(1) : number;
  const bool leading_zero = unsigned_part.size() > 1 && unsigned_part[0] == '0' && is_digit(unsigned_part[1]);
  if (unsigned_part.empty() || leading_zero || (!is_digit(unsigned_part[0]) && unsigned_part[0] != '.')) {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (code != std::errc{} || end != number.data() + number.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return json(value);
}

}  // namespace

json resolve_plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char first = text.front();
  if (!is_digit(first) && first != '-' && first != '+' && first != '.') return text;
  if (auto integer = resolve_integer(text)) return *integer;
  if (auto number = resolve_float(text)) return *number;
  return text;
}

}  // namespace sluice::ctrl
