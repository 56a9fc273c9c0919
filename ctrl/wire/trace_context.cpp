#include "ctrl/wire/trace_context.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

/// The digits are lower case (2.2.2): `A` is none.
std::optional<uint8_t> digit_of(char byte) {
  if (byte >= '0' && byte <= '9') return static_cast<uint8_t>(byte - '0');
  if (byte >= 'a' && byte <= 'f') return static_cast<uint8_t>(byte - 'a' + 10);
  return std::nullopt;
}

/// Reads two digits a byte from the beginning of `text`, which is long enough.
template <size_t kSize>
bool read_digits(std::string_view text, std::array<uint8_t, kSize>& bytes) {
  for (size_t i = 0; i < kSize; ++i) {
    const auto high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    if (!high || !low) return false;
    bytes[i] = static_cast<uint8_t>(*high << 4 | *low);
  }
  return true;
}

template <size_t kSize>
bool is_zero(const std::array<uint8_t, kSize>& bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

// Where the fields of version 00 lie: `00-<trace>-<parent>-<flags>`.
constexpr size_t kTraceAt = 3, kParentAt = 36, kFlagsAt = 53, kLength = 55;
constexpr uint8_t kNoVersion = 0xff;
constexpr uint8_t kSampled = 1;

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  if (text.size() < kLength) return std::nullopt;
  for (const size_t dash : {kTraceAt, kParentAt, kFlagsAt}) {
    if (text[dash - 1] != '-') return std::nullopt;
  }
  std::array<uint8_t, 1> version{}, flags{};
  TraceContext context;
  if (!read_digits(text, version) || version[0] == kNoVersion) return std::nullopt;
  if (text.size() > kLength && (version[0] == 0 || text[kLength] != '-')) return std::nullopt;
  if (!read_digits(text.substr(kTraceAt), context.trace) || is_zero(context.trace)) return std::nullopt;
  if (!read_digits(text.substr(kParentAt), context.span) || is_zero(context.span)) return std::nullopt;
  if (!read_digits(text.substr(kFlagsAt), flags)) return std::nullopt;
  context.is_sampled = (flags[0] & kSampled) != 0;
  return context;
}

std::string traceparent_text(const TraceContext& context) {
  return "00-" + hexadecimal(context.trace) + "-" + hexadecimal(context.span) +
         (context.is_sampled ? "-01" : "-00");
}

}  // namespace sluice::ctrl
