// What goes to a receiver of OpenTelemetry's protocol and comes from it: OTLP 1, traces, as Protocol Buffers
// (opentelemetry/proto/collector/trace/v1/trace_service.proto). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/wire/span.h"

namespace sluice::ctrl::otlp {

/// Who the spans are of: attributes of the resource, by the names of OpenTelemetry's semantic conventions.
using Resource = std::map<std::string, std::string>;

/// An ExportTraceServiceRequest. `version`: of this program.
std::string export_request(std::span<const Span> spans, const Resource& resource, std::string_view version);

/// What an ExportTraceServiceResponse says: how many spans were not taken, and why.
struct ExportResponse {
  uint64_t rejected = 0;
  std::string message = {};  ///< cut to what is worth a line of the log
};
Result<ExportResponse> parse_export_response(std::string_view message);

}  // namespace sluice::ctrl::otlp
