#include <algorithm>
#include <optional>

#include "ctrl/intent/config_values.h"
#include "ctrl/rpc/methods/backend_row.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

void list_backends(MethodContext& context, const Call& call, Reply reply) {
  std::optional<std::string> pool;
  if (call.params.contains("pool")) pool = call.params["pool"].get<std::string>();
  const auto backends = context.gateway.backends(pool);
  if (!backends) return reply(tl::unexpected(backends.error()));
  json rows = json::array();
  for (const auto& row : *backends) rows.push_back(backend_row_object(row));
  reply(std::move(rows));
}

AdminState admin_state(std::string_view word) {
  return word == "draining"      ? AdminState::kDraining
         : word == "maintenance" ? AdminState::kMaintenance
                                 : AdminState::kActive;
}

void set_backend(MethodContext& context, const Call& call, Reply reply) {
  std::optional<uint32_t> weight;
  std::optional<AdminState> state;
  if (call.params.contains("weight")) weight = call.params["weight"].get<uint32_t>();
  if (call.params.contains("state")) state = admin_state(call.params["state"].get_ref<const std::string&>());
  if (!weight && !state) {
    return reply(refuse(Refusal::Kind::kInvalid, "neither weight nor state is given: nothing to set"));
  }
  const auto result = context.gateway.set_backend(backend_key(call.params), weight, state);
  if (!result) return reply(tl::unexpected(result.error()));
  reply(apply_object(*result));
}

void quiet(MethodContext& context, const Call& call, Reply reply) {
  std::chrono::milliseconds timeout(30'000);
  if (call.params.contains("timeout")) {
    const auto given = parse_duration(call.params["timeout"].get_ref<const std::string&>());
    if (!given) {
      return reply(tl::unexpected(Refusal{
          Refusal::Kind::kInvalid, given.error().message, "", {{"/timeout", given.error().message}}}));
    }
    timeout = *given;
  }
  const bool until_gone = call.params.value("until", "quiet") == "gone";
  context.gateway.await_quiet(backend_key(call.params), until_gone, timeout,
                              [reply = std::move(reply)](Outcome<QuietAnswer> answer) {
                                if (!answer) return reply(tl::unexpected(std::move(answer.error())));
                                reply(json{{"quiet", answer->quiet},
                                           {"generation", answer->generation},
                                           {"active_flows", answer->active_flows},
                                           {"gone", answer->gone}});
                              });
}

Subject subject_backend(const MethodContext& context, const json& params) {
  const BackendKey key = backend_key(params);
  Subject subject{backend_text(key), ""};
  const auto rows = context.gateway.backends(key.pool);
  if (!rows) return subject;
  const auto row = std::ranges::find(*rows, key, &BackendRow::key);
  if (row != rows->end()) {
    subject.state = "weight " + std::to_string(row->weight) + ", " + std::string(word_for(row->state));
  }
  return subject;
}

}  // namespace

std::vector<Method> backend_methods() {
  return {
      {"backend.list",
       Role::kView,
       "Every backend: its state, why and since when, and its share of the table.",
       "a list of `{pool, address, port, state, reason, since, weight, origin, share, active_flows}`; "
       "`origin` is "
       "`file` or the source",
       {{"pool", ParamType::kString, false, "this pool's only"}},
       list_backends},
      {"backend.quiet",
       Role::kView,
       "Waits until no worker can begin a flow to a backend any more, or until its last flow has ended.",
       "`{quiet, generation, active_flows, gone}`, `generation` being that of the tables that say so; when "
       "the "
       "time is over, as it is then",
       {{"pool", ParamType::kString, true, "the pool's name"},
        {"address", ParamType::kAddress, true, "the backend's address"},
        {"port", ParamType::kInteger, true, "the backend's port; 0 where none is configured", 0, 65535},
        {"until",
         ParamType::kString,
         false,
         "what to wait for; `quiet` if left out",
         0,
         0,
         {"quiet", "gone"}},
        {"timeout", ParamType::kString, false, "a duration, `30s` if left out"}},
       quiet},
      {"backend.set",
       Role::kOperate,
       "Sets the weight or the state of a backend; the weight until another is applied or named by its "
       "source, "
       "the state until the daemon ends. Neither is the configuration's: it makes no generation.",
       "`{generation, changed, disruption, warnings}`",
       {{"pool", ParamType::kString, true, "the pool's name"},
        {"address", ParamType::kAddress, true, "the backend's address"},
        {"port", ParamType::kInteger, true, "the backend's port; 0 where none is configured", 0, 65535},
        {"weight", ParamType::kInteger, false, "0 takes no new flows", 0, 65535},
        {"state",
         ParamType::kString,
         false,
         "what it is to do",
         0,
         0,
         {"active", "draining", "maintenance"}}},
       set_backend,
       Where::kChanges,
       subject_backend},
  };
}

}  // namespace sluice::ctrl
