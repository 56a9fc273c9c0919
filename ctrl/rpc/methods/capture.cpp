#include <algorithm>

#include "ctrl/rpc/methods/methods.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {
namespace {

using dataplane::CapturePoint;
using nlohmann::json;

tl::unexpected<Refusal> wrong(const std::string& param, const std::string& what) {
  return tl::unexpected(Refusal{Refusal::Kind::kInvalid, param + " " + what, "", {{"/" + param, what}}});
}

CapturePoint point_of(const std::string& word) {
  if (word == "tx") return CapturePoint::kSent;
  return word == "drop" ? CapturePoint::kDropped : CapturePoint::kReceived;
}

Outcome<uint8_t> port_of(const Gateway& gateway, const std::string& name) {
  const auto ports = gateway.data_plane().ports();
  const auto found = std::ranges::find(ports, name, &dataplane::PortInfo::name);
  if (found == ports.end()) {
    return refuse(Refusal::Kind::kNotFound, "there is no port named \"" + name + "\"");
  }
  return static_cast<uint8_t>(found - ports.begin());
}

Outcome<dataplane::CaptureWish> wish_of(const Gateway& gateway, const json& params) {
  dataplane::CaptureWish wish{.at = point_of(params["at"].get<std::string>())};
  if (params.contains("port")) {
    const auto port = port_of(gateway, params["port"].get<std::string>());
    if (!port) return tl::unexpected(port.error());
    wish.port = *port;
  }
  if (params.contains("service")) {
    const auto service = gateway.service_id(params["service"].get<std::string>());
    if (!service) return tl::unexpected(service.error());
    wish.service = *service;
  }
  if (params.contains("reason")) {
    if (wish.at != CapturePoint::kDropped) return wrong("reason", "is for what is dropped: at drop");
    const auto reason = std::ranges::find(dataplane::kDropReasonNames, params["reason"].get<std::string>());
    wish.reason = static_cast<dataplane::DropReason>(reason - dataplane::kDropReasonNames.begin());
  }
  if (params.contains("filter")) {
    auto filter = dataplane::PacketFilter::compile(params["filter"].get<std::string>());
    if (!filter) return wrong("filter", filter.error().message);
    wish.filter = std::move(*filter);
  }
  wish.snaplen = params.value("snaplen", wish.snaplen);
  return wish;
}

/// On a thread that may wait: a filter may name hosts, which are asked for.
void start(MethodContext& context, const Call& call, Reply reply) {
  if (!call.notify) {
    return reply(refuse(Refusal::Kind::kUnavailable, "nothing can be sent unasked by this way",
                        "use the control socket"));
  }
  auto wish = wish_of(context.gateway, call.params);
  if (!wish) return reply(tl::unexpected(wish.error()));
  // Shared, for a function that is kept must be one that can be copied.
  const auto request = std::make_shared<CaptureRequest>(CaptureRequest{.wish = std::move(*wish)});
  request->packets = call.params.value("packets", request->packets);
  request->bytes = call.params.value("bytes", request->bytes);
  request->time = std::chrono::seconds(call.params.value("seconds", request->time.count()));
  context.on_loop([&captures = context.captures, request, reply, notify = call.notify] {
    captures.start(
        std::move(*request), [notify](std::string_view params) { return notify("capture", params); },
        [reply](const Outcome<uint64_t>& number) {
          if (!number) return reply(tl::unexpected(number.error()));
          reply(json{{"capture", *number}});
        });
  });
}

void stop(MethodContext& context, const Call& call, Reply reply) {
  const uint64_t number = call.params["capture"].get<uint64_t>();
  if (!context.captures.stop(number)) {
    return reply(refuse(Refusal::Kind::kNotFound, "no capture " + std::to_string(number) + " runs"));
  }
  reply(json{{"capture", number}});
}

Subject started(const MethodContext&, const json& params) {
  std::string object = "packets at " + params["at"].get<std::string>();
  for (const char* const name : {"port", "service", "reason", "filter"}) {
    if (params.contains(name)) object += std::string(", ") + name + " " + params[name].get<std::string>();
  }
  return {object, ""};
}

Subject stopped(const MethodContext&, const json& params) {
  return {"capture " + params["capture"].dump(), ""};
}

}  // namespace

std::vector<Method> capture_methods() {
  const std::vector<std::string_view> reasons(dataplane::kDropReasonNames.begin(),
                                              dataplane::kDropReasonNames.end());
  return {
      {"capture.start",
       Role::kOperate,
       "Copies packets and sends them on this connection, as a pcapng file in pieces.",
       "`{capture}`, its number, once every worker looks; then come notifications with method `capture`: "
       "`{capture, data}`, base64 of the next piece of the file, and last `{capture, done: true, packets, "
       "lost}`: how many the file has, and how many found no room",
       {{"at", ParamType::kString, true, "as they are received, sent or dropped", 0, 0, {"rx", "tx", "drop"}},
        {"port", ParamType::kString, false, "received at this port, or sent by it"},
        {"service", ParamType::kString, false,
         "of this service's flows: at rx from where their service is known, before anything has changed"},
        {"reason", ParamType::kString, false, "dropped for this reason", 0, 0, reasons},
        {"filter", ParamType::kString, false, "an expression of pcap-filter(7)"},
        {"packets", ParamType::kInteger, false, "ends after so many; 10000 if not given", 1},
        {"bytes", ParamType::kInteger, false, "ends after so many bytes of the file", 1},
        {"seconds", ParamType::kInteger, false, "ends after so long; 60 if not given", 1, 86'400},
        {"snaplen", ParamType::kInteger, false, "bytes of a packet that are copied; all if not given", 1,
         dataplane::CaptureWish::kWhole}},
       start,
       Where::kAnswers,
       started},
      {"capture.stop",
       Role::kOperate,
       "Ends a capture with what has come so far.",
       "`{capture}`; what is still to come follows, to whom started it",
       {{"capture", ParamType::kInteger, true, "its number", 1}},
       stop,
       Where::kLoop,
       stopped},
  };
}

}  // namespace sluice::ctrl
