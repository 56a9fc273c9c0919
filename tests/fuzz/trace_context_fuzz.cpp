// What requests say of their traces, and what receivers of traces answer.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ctrl/wire/otlp_message.h"
#include "ctrl/wire/trace_context.h"

using namespace sluice::ctrl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto context = parse_traceparent(text)) {
    const std::string written = traceparent_text(*context);
    // All but the version and the other flags comes out as it went in.
    if (written.substr(2, 51) != text.substr(2, 51) || parse_traceparent(written) != context) std::abort();
  }
  if (const auto response = otlp::parse_export_response(text)) {
    if (response->message.size() > size || response->rejected >> 63 != 0) std::abort();
  }
  return 0;
}
