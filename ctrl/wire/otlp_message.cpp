#include "ctrl/wire/otlp_message.h"

#include <algorithm>
#include <bit>

#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl::otlp {
namespace {

constexpr size_t kMostMessage = 200;  ///< bytes of what a receiver says
constexpr uint64_t kError = 2;        ///< Status.StatusCode

template <size_t kSize>
std::string_view id_text(const std::array<uint8_t, kSize>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint64_t nanoseconds_of(Span::Time time) {
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  return static_cast<uint64_t>(std::max<decltype(since)>(since, 0));
}

std::string any_value(const SpanValue& value) {
  ProtobufWriter any;
  if (const auto* text = std::get_if<std::string>(&value)) any.message(1, *text);
  if (const auto* truth = std::get_if<bool>(&value)) any.present_integer(2, *truth ? 1 : 0);
  if (const auto* number = std::get_if<int64_t>(&value)) {
    any.present_integer(3, static_cast<uint64_t>(*number));
  }
  if (const auto* number = std::get_if<double>(&value)) any.fixed64(4, std::bit_cast<uint64_t>(*number));
  return any.take();
}

std::string key_value(std::string_view key, const SpanValue& value) {
  ProtobufWriter pair;
  pair.text(1, key);
  pair.message(2, any_value(value));
  return pair.take();
}

std::string span_message(const Span& span) {
  ProtobufWriter message;
  message.message(1, id_text(span.trace));
  message.message(2, id_text(span.id));
  if (span.parent != SpanId{}) message.message(4, id_text(span.parent));
  message.text(5, span.name);
  message.integer(6, static_cast<uint64_t>(span.kind));
  message.fixed64(7, nanoseconds_of(span.start));
  message.fixed64(8, nanoseconds_of(std::max(span.start, span.end)));
  for (const auto& [key, value] : span.attributes) message.message(9, key_value(key, value));
  if (span.has_failed) {
    ProtobufWriter status;
    status.text(2, span.failure);
    status.integer(3, kError);
    message.message(15, status.take());
  }
  return message.take();
}

}  // namespace

std::string export_request(std::span<const Span> spans, const Resource& resource, std::string_view version) {
  ProtobufWriter attributes, scope, scope_spans, resource_spans, request;
  for (const auto& [key, value] : resource) attributes.message(1, key_value(key, value));
  scope.text(1, "sluice");
  scope.text(2, version);
  scope_spans.message(1, scope.take());
  for (const Span& span : spans) scope_spans.message(2, span_message(span));
  resource_spans.message(1, attributes.take());
  resource_spans.message(2, scope_spans.take());
  request.message(1, resource_spans.take());
  return request.take();
}

Result<ExportResponse> parse_export_response(std::string_view message) {
  ExportResponse response;
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (!field->is_bytes(1)) continue;
    ProtobufReader partial(field->bytes);
    while (const auto inner = partial.next()) {
      // An int64: what is negative is nonsense, and counts as nothing.
      if (inner->is_integer(1)) response.rejected = inner->integer >> 63 ? 0 : inner->integer;
      if (inner->is_bytes(2)) response.message = inner->bytes.substr(0, kMostMessage);
    }
    if (partial.is_faulty()) return fail("its answer is no ExportTraceServiceResponse");
  }
  if (reader.is_faulty()) return fail("its answer is no ExportTraceServiceResponse");
  return response;
}

}  // namespace sluice::ctrl::otlp
