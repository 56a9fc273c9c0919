// A request as a span, by OpenTelemetry's conventions for JSON-RPC: those from afar, those that bring a
// `traceparent`, and those that apply a configuration. Any thread.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "ctrl/rpc/method.h"
#include "ctrl/store/span_queue.h"

namespace sluice::ctrl {

struct RequestArrival {
  const Peer& peer;
  std::string_view traceparent;  ///< that came with it; what the request has itself goes before
  Span::Time began;
};
/// Null: nobody wants to know. An invalid `traceparent` begins a new trace.
std::shared_ptr<OpenSpan> begin_request(SpanQueue* spans, const Method& method, const nlohmann::json& request,
                                        const RequestArrival& arrival);
/// `kind`: of what refuses it.
void end_request(const std::shared_ptr<OpenSpan>& span, const Answer& answer, std::string_view kind);
/// `client.address` and `client.port` of a peer's address, with its port; nothing of one from this host.
void set_client(OpenSpan& span, std::string_view address);

}  // namespace sluice::ctrl
