// W3C Trace Context: how a request says which trace it is part of (www.w3.org/TR/trace-context/). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ctrl {

using TraceId = std::array<uint8_t, 16>;
using SpanId = std::array<uint8_t, 8>;

/// The field of a request, and of its trace.
inline constexpr std::string_view kTraceparent = "traceparent";

struct TraceContext {
  TraceId trace{};
  SpanId span{};            ///< whoever asked; the parent of what is done for it
  bool is_sampled = false;  ///< the asker records it, and so should whoever is asked
  bool operator==(const TraceContext&) const = default;
};

/// Reads the value of one `traceparent`. Nothing: it is not valid, so that a new trace begins. A version
/// above 00 is read as far as 00 goes (3.2.4).
std::optional<TraceContext> parse_traceparent(std::string_view text);
/// As version 00 has it.
std::string traceparent_text(const TraceContext& context);

/// Lower case, two digits a byte.
template <size_t kSize>
std::string hexadecimal(const std::array<uint8_t, kSize>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * kSize);
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace sluice::ctrl
