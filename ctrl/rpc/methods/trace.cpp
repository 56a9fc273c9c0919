#include <algorithm>

#include "ctrl/intent/config_values.h"
#include "ctrl/rpc/methods/explanation.h"
#include "ctrl/rpc/methods/methods.h"
#include "dataplane/worker/worker_request.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

FlowKey flow_key(const json& params) {
  const auto address = [&](const char* name) {
    return IpAddress::parse(params[name].get_ref<const std::string&>()).value();
  };
  const auto port = [&](const char* name) { return Be16::from_host(params[name].get<uint16_t>()); };
  return {address("source"),
          address("destination"),
          port("source_port"),
          port("destination_port"),
          protocol_of(params["protocol"].get_ref<const std::string&>()),
          {}};
}

ExplanationNames names_behind(const dataplane::Explanation& explanation, const Gateway& gateway) {
  ExplanationNames names;
  names.service = gateway.service_name(explanation.service);
  if (names.service) {
    const auto model = gateway.model();
    const auto found = model->services.find(*names.service);
    if (found != model->services.end()) names.configured = found->second;
  }
  const auto backend = gateway.backend_name(explanation.backend);
  if (!backend) return names;
  names.backend = *backend;
  if (const auto rows = gateway.backends(backend->pool)) {
    const auto row = std::ranges::find(*rows, *backend, &BackendRow::key);
    if (row != rows->end()) names.backend_state = word_for(row->state);
  }
  return names;
}

void explain(MethodContext& context, const Call& call, Reply reply) {
  const FlowKey key = flow_key(call.params);
  if (key.source.is_v4() != key.destination.is_v4()) {
    return reply(refuse(Refusal::Kind::kInvalid, "source and destination are of different address families"));
  }
  using Explained = Outcome<dataplane::Explanation>;
  const auto write = [&gateway = context.gateway, reply](const Explained& answer) {
    if (!answer) return reply(tl::unexpected(answer.error()));
    reply(explanation_object(*answer, names_behind(*answer, gateway)));
  };
  context.gateway.explain(key, [&threads = context.threads, write](const Explained& answer) {
    threads.answer([write, answer] { write(answer); });
  });
}

}  // namespace

std::vector<Method> trace_methods() {
  return {
      {"trace.explain",
       Role::kView,
       "What would happen to a packet, decided by the data plane's own code; leaves no trace.",
       "`{service, decision, slot, backend: {pool, address, port, state}, drop_reason, rules: [{kind, name, "
       "detail}], text}`; decision is cached, picked, dropped or to_kernel; a rule's kind is access, limit, "
       "route, split or mirror; the name of the last three is that of the pool that they lead to. It takes "
       "no "
       "token of a limit",
       {{"source", ParamType::kAddress, true, "the client's address"},
        {"source_port", ParamType::kInteger, true, "the client's port", 0, 65535},
        {"destination", ParamType::kAddress, true, "the service's address"},
        {"destination_port", ParamType::kInteger, true, "the service's port", 0, 65535},
        {"protocol", ParamType::kString, true, "of layer 4", 0, 0, {"tcp", "udp"}}},
       explain},
  };
}

}  // namespace sluice::ctrl
