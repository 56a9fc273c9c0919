#include "ctrl/wire/bounded_json.h"

#include <charconv>

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr unsigned kMostDepth = 64;

bool is_too_deep(std::string_view text) {
  unsigned depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (in_string) {
      if (byte == '\\') ++i;
      if (byte == '"') in_string = false;
    } else if (byte == '"') {
      in_string = true;
    } else if (byte == '{' || byte == '[') {
      if (++depth > kMostDepth) return true;
    } else if ((byte == '}' || byte == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<json> parse_bounded_json(std::string_view text) {
  if (is_too_deep(text)) return fail("JSON of more than " + std::to_string(kMostDepth) + " levels");
  auto value = json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return fail("it is not JSON");
  return value;
}

const json& member(const json& object, std::string_view key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string_view text_in(const json& value) {
  return value.is_string() ? std::string_view(value.get_ref<const std::string&>()) : std::string_view();
}

std::optional<int64_t> integer_in(const json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  const std::string_view text = text_in(value);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_true(const json& value, bool otherwise) {
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

void LineSplitter::put(std::string_view bytes) {
  if (start_ > 0 && start_ >= pending_.size() / 2) {
    pending_.erase(0, start_);
    search_ -= start_;
    start_ = 0;
  }
  pending_.append(bytes);
}

std::optional<std::string> LineSplitter::next() {
  for (;;) {
    const size_t end = pending_.find('\n', search_);
    if (end == std::string::npos) {
      search_ = pending_.size();
      return std::nullopt;
    }
    std::string line = pending_.substr(start_, end - start_);
    start_ = search_ = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) return line;
  }
}

}  // namespace sluice::ctrl
