#include "ctrl/rpc/request_span.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/decimal.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr std::string_view kApply = "config.apply";

/// What a request has beside its method, as JSON-RPC leaves open. Nothing: it has none.
std::optional<std::string_view> own_traceparent(const json& request) {
  const auto found = request.find(kTraceparent);
  if (found == request.end()) return std::nullopt;
  if (!found->is_string()) return "";  // not valid
  return found->get_ref<const std::string&>();
}

bool is_rehearsal(const json& request) {
  const auto params = request.find("params");
  if (params == request.end() || !params->is_object()) return false;
  const auto is_dry = params->find("dry_run");
  return is_dry != params->end() && *is_dry == true;
}

}  // namespace

std::shared_ptr<OpenSpan> begin_request(SpanQueue* spans, const Method& method, const json& request,
                                        const RequestArrival& arrival) {
  if (!spans || !spans->is_on()) return nullptr;
  const auto own = own_traceparent(request);
  const std::string_view text = own.value_or(arrival.traceparent);
  const bool is_from_afar = !arrival.peer.address.empty();
  const bool has_asked = own || !arrival.traceparent.empty();
  const bool is_change = method.name == kApply && !is_rehearsal(request);
  if (!is_from_afar && !has_asked && !is_change) return nullptr;
  auto span =
      spans->open(std::string(method.name), arrival.began, parse_traceparent(text), SpanKind::kServer);
  if (!span) return nullptr;
  span->set("rpc.system.name", "jsonrpc");
  span->set("rpc.method", std::string(method.name));
  set_client(*span, arrival.peer.address);
  return span;
}

void end_request(const std::shared_ptr<OpenSpan>& span, const Answer& answer, std::string_view kind) {
  if (!span) return;
  span->reach(std::chrono::system_clock::now());
  if (answer) return;
  span->set("error.type", std::string(kind));
  span->fail(answer.error().message);
}

void set_client(OpenSpan& span, std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  span.set("client.address", std::string(host));
  if (const auto port = parse_decimal(address.substr(colon + 1))) {
    span.set("client.port", static_cast<int64_t>(*port));
  }
}

}  // namespace sluice::ctrl
