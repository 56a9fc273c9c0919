// A span, as OpenTelemetry has it: something that took time, of a trace, below another one. Plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ctrl/wire/trace_context.h"

namespace sluice::ctrl {

/// As opentelemetry/proto/trace/v1/trace.proto numbers them.
enum class SpanKind : uint8_t { kInternal = 1, kServer = 2 };

using SpanValue = std::variant<std::string, int64_t, double, bool>;
/// Keys are literals.
using SpanAttributes = std::vector<std::pair<std::string_view, SpanValue>>;

struct Span {
  using Time = std::chrono::system_clock::time_point;
  TraceId trace{};
  SpanId id{};
  SpanId parent{};  ///< zeros: it is the root of its trace
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  Time start;
  Time end;
  SpanAttributes attributes = {};
  bool has_failed = false;
  std::string failure = {};  ///< why, where it has
};

}  // namespace sluice::ctrl
