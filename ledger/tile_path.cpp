#include "ledger/tile_path.h"

#include <charconv>

namespace sluice::ledger {
namespace {

constexpr std::string_view kEntries = "entries/";
constexpr std::string_view kPartial = ".p/";
constexpr unsigned kMostLevel = 63;

// A decimal number of 1 to `most_digits` digits without leading zeros.
std::optional<unsigned> parse_number(std::string_view digits, size_t most_digits) {
  unsigned value = 0;
  if (digits.empty() || digits.size() > most_digits || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> parse_three_digits(std::string_view digits) {
  unsigned value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(digit - '0');
  }
  return digits.size() == 3 ? std::optional(value) : std::nullopt;
}

// `x001/x234/067`: no longer than the number needs.
std::optional<uint64_t> parse_index(std::string_view text) {
  uint64_t index = 0;
  bool is_first = true;
  while (text.starts_with('x')) {
    if (text.size() < 5 || text[4] != '/') return std::nullopt;
    const auto group = parse_three_digits(text.substr(1, 3));
    if (!group || (is_first && *group == 0) || index > UINT64_MAX / 1'000'000) return std::nullopt;
    index = index * 1000 + *group;
    text.remove_prefix(5);
    is_first = false;
  }
  const auto last = parse_three_digits(text);
  if (!last) return std::nullopt;
  return index * 1000 + *last;
}

}  // namespace

std::optional<TilePath> TilePath::parse(std::string_view text) {
  TilePath path;
  path.is_entries = text.starts_with(kEntries);
  if (path.is_entries) {
    text.remove_prefix(kEntries.size());
  } else {
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto level = parse_number(text.substr(0, slash), 2);
    if (!level || *level > kMostLevel) return std::nullopt;
    path.level = static_cast<uint8_t>(*level);
    text.remove_prefix(slash + 1);
  }
  if (const size_t partial = text.find(kPartial); partial != std::string_view::npos) {
    const auto width = parse_number(text.substr(partial + kPartial.size()), 3);
    if (!width || *width == 0 || *width > 255) return std::nullopt;
    path.width = static_cast<uint16_t>(*width);
    text = text.substr(0, partial);
  }
  const auto index = parse_index(text);
  if (!index) return std::nullopt;
  path.index = *index;
  return path;
}

std::string TilePath::to_string() const {
  std::string number = std::to_string(index);
  number.insert(0, (3 - number.size() % 3) % 3, '0');
  std::string text = is_entries ? std::string(kEntries) : std::to_string(level) + "/";
  for (size_t i = 0; i < number.size(); i += 3) {
    const bool is_last = i + 3 == number.size();
    text += (is_last ? "" : "x") + number.substr(i, 3) + (is_last ? "" : "/");
  }
  if (width < 256) text += std::string(kPartial) + std::to_string(width);
  return text;
}

}  // namespace sluice::ledger
