#include "ledger/tile_path.h"

#include "common/decimal.h"

namespace sluice::ledger {
namespace {

constexpr std::string_view kEntries = "entries/";
constexpr std::string_view kPartial = ".p/";
constexpr uint64_t kMostLevel = 63;

std::optional<uint64_t> append_group(uint64_t index, std::string_view digits) {
  return digits.size() == 3 ? append_digits(index, digits) : std::nullopt;
}

// `x001/x234/067`: no longer than the number needs.
std::optional<uint64_t> parse_index(std::string_view text) {
  std::optional<uint64_t> index = 0;
  for (bool is_first = true; text.starts_with('x'); is_first = false) {
    if (text.size() < 5 || text[4] != '/') return std::nullopt;
    index = append_group(*index, text.substr(1, 3));
    if (!index || (is_first && *index == 0)) return std::nullopt;
    text.remove_prefix(5);
  }
  return append_group(*index, text);
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
    const auto level = parse_decimal(text.substr(0, slash));
    if (!level || *level > kMostLevel) return std::nullopt;
    path.level = static_cast<uint8_t>(*level);
    text.remove_prefix(slash + 1);
  }
  if (const size_t partial = text.find(kPartial); partial != std::string_view::npos) {
    const auto width = parse_decimal(text.substr(partial + kPartial.size()));
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
