#include <optional>

#include "ctrl/intent/config_values.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"
#include "dataplane/worker/worker_request.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr int64_t kMaxFlows = 100'000;

const char* word_for_state(lb::FlowState state) {
  switch (state) {
    case lb::FlowState::kFree:
      return "free";
    case lb::FlowState::kStray:
      return "unanswered";
    case lb::FlowState::kEmbryonic:
      return "embryonic";
    case lb::FlowState::kHandshake:
      return "handshake";
    case lb::FlowState::kClosing:
      return "closing";
    case lb::FlowState::kAnswered:
      return "answered";
    case lb::FlowState::kEstablished:
      return "established";
  }
  return "";
}

json flow_object(const dataplane::FlowSnapshot& flow, const Gateway& gateway) {
  const auto service = gateway.service_name(flow.service);
  const auto backend = gateway.backend_name(flow.backend);
  return {{"source", flow.key.source.to_string()},
          {"source_port", flow.key.source_port.host()},
          {"destination", flow.key.destination.to_string()},
          {"destination_port", flow.key.destination_port.host()},
          {"protocol", word_for(flow.key.protocol)},
          {"service", service ? json(*service) : json(nullptr)},
          {"backend", backend ? backend_object(*backend) : json(nullptr)},
          {"state", word_for_state(flow.state)},
          {"idle_seconds", flow.idle_ms / 1000.0},
          {"worker", flow.worker}};
}

void list_flows(MethodContext& context, const Call& call, Reply reply) {
  std::optional<std::string> service;
  if (call.params.contains("service")) service = call.params["service"].get<std::string>();
  const size_t limit = call.params.value("limit", size_t{100});
  using Flows = Outcome<std::vector<dataplane::FlowSnapshot>>;
  const auto write = [&gateway = context.gateway, reply](const Flows& flows) {
    if (!flows) return reply(tl::unexpected(flows.error()));
    json rows = json::array();
    for (const auto& flow : *flows) rows.push_back(flow_object(flow, gateway));
    reply(std::move(rows));
  };
  context.gateway.list_flows(std::move(service), limit, [&threads = context.threads, write](Flows flows) {
    threads.answer([write, flows = std::move(flows)] { write(flows); });
  });
}

void flush(MethodContext& context, const Call& call, Reply reply) {
  const auto key = backend_key(call.params);
  if (auto flushed = context.gateway.flush_flows(key); !flushed) {
    return reply(tl::unexpected(flushed.error()));
  }
  reply(json{{"generation", context.gateway.generation()}, {"flushed", backend_object(key)}});
}

Subject flushed(const MethodContext&, const json& params) {
  return {"the flows of " + backend_text(backend_key(params)), ""};
}

}  // namespace

std::vector<Method> flow_methods() {
  return {
      {"flow.list",
       Role::kView,
       "Flows that the workers remember, in no order.",
       "a list of `{source, source_port, destination, destination_port, protocol, service, backend, state, "
       "idle_seconds, worker}`",
       {{"service", ParamType::kString, false, "this service's only"},
        {"limit", ParamType::kInteger, false, "at most this many; 100 if not given", 1, kMaxFlows}},
       list_flows},
      {"flow.flush",
       Role::kOperate,
       "Ends the flows of a backend: each is picked anew with its next packet.",
       "`{generation, flushed}`",
       {{"pool", ParamType::kString, true, "the pool's name"},
        {"address", ParamType::kAddress, true, "the backend's address"},
        {"port", ParamType::kInteger, true, "the backend's port; 0 where none is configured", 0, 65535}},
       flush,
       Where::kChanges,
       flushed},
  };
}

}  // namespace sluice::ctrl
