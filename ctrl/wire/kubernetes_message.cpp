#include "ctrl/wire/kubernetes_message.h"

#include <algorithm>

#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr int64_t kGone = 410;

SliceEndpoint endpoint_of(const json& object) {
  SliceEndpoint endpoint;
  const json& addresses = member(object, "addresses");
  if (addresses.is_array() && !addresses.empty()) endpoint.address = text_in(addresses.front());
  const json& conditions = member(object, "conditions");
  endpoint.ready = is_true(member(conditions, "ready"), true);
  endpoint.serving = is_true(member(conditions, "serving"), endpoint.ready);
  endpoint.terminating = is_true(member(conditions, "terminating"), false);
  return endpoint;
}

Result<EndpointSlice> slice_of(const json& object) {
  const json& metadata = member(object, "metadata");
  EndpointSlice slice;
  slice.name = text_in(member(metadata, "name"));
  slice.version = text_in(member(metadata, "resourceVersion"));
  slice.service = text_in(member(member(metadata, "labels"), "kubernetes.io/service-name"));
  if (slice.name.empty()) return fail("an EndpointSlice without a name");
  const json& ports = member(object, "ports");
  if (!ports.is_null() && !ports.is_array()) return fail("ports that are no list");
  for (const json& port : ports) {
    const json& number = member(port, "port");
    slice.ports.push_back({std::string(text_in(member(port, "name"))),
                           number.is_number_integer() ? integer_in(number) : std::nullopt});
  }
  const json& endpoints = member(object, "endpoints");
  if (!endpoints.is_null() && !endpoints.is_array()) return fail("endpoints that are no list");
  for (const json& endpoint : endpoints) slice.endpoints.push_back(endpoint_of(endpoint));
  return slice;
}

std::string message_of(const json& status) {
  constexpr size_t kMostBytes = 200;
  std::string text(text_in(member(status, "message")).substr(0, kMostBytes));
  std::ranges::replace_if(
      text, [](char byte) { return byte < ' ' || byte > '~'; }, '?');
  return text;
}

}  // namespace

Result<SlicePage> read_slice_page(std::string_view body) {
  const auto answer = parse_bounded_json(body);
  if (!answer) return tl::unexpected(answer.error());
  const json& metadata = member(*answer, "metadata");
  SlicePage page;
  page.version = text_in(member(metadata, "resourceVersion"));
  page.next = text_in(member(metadata, "continue"));
  if (page.version.empty()) return fail("it has no resourceVersion");
  const json& items = member(*answer, "items");
  if (!items.is_null() && !items.is_array()) return fail("its items are no list");
  for (const json& item : items) {
    auto slice = slice_of(item);
    if (!slice) return tl::unexpected(slice.error());
    page.slices.push_back(std::move(*slice));
  }
  return page;
}

Result<SliceEvent> read_slice_event(std::string_view line) {
  const auto answer = parse_bounded_json(line);
  if (!answer) return tl::unexpected(answer.error());
  const std::string_view type = text_in(member(*answer, "type"));
  const json& object = member(*answer, "object");
  SliceEvent event;
  if (type == "ERROR") {
    const bool is_gone = integer_in(member(object, "code")) == kGone;
    event.kind = is_gone ? SliceEvent::Kind::kGone : SliceEvent::Kind::kError;
    event.reason = message_of(object);
    return event;
  }
  if (type == "BOOKMARK") {
    event.kind = SliceEvent::Kind::kBookmark;
    event.slice.version = text_in(member(member(object, "metadata"), "resourceVersion"));
    return event;
  }
  if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") return fail("an event of an unknown type");
  auto slice = slice_of(object);
  if (!slice) return tl::unexpected(slice.error());
  event.kind = type == "DELETED" ? SliceEvent::Kind::kDelete : SliceEvent::Kind::kPut;
  event.slice = std::move(*slice);
  return event;
}

std::string read_kubernetes_status(std::string_view body) {
  const auto answer = parse_bounded_json(body);
  return answer ? message_of(*answer) : std::string();
}

}  // namespace sluice::ctrl
