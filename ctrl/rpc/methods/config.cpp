#include <future>
#include <memory>

#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_history.h"
#include "ctrl/intent/config_schema.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

// Whoever knows the hash key can aim flows at one backend: it is for those who can set it.
constexpr auto kHashKey = "/gateway/hash_key";
constexpr auto kHidden = "(hidden)";

void get(MethodContext& context, const Call& call, Reply reply) {
  json config = context.gateway.configuration();
  const json::json_pointer hash_key(kHashKey);
  if (call.peer.role < Role::kAdmin && config.contains(hash_key)) config[hash_key] = kHidden;
  reply(json{{"generation", context.gateway.generation()}, {"config", std::move(config)}});
}

void diff(MethodContext& context, const Call& call, Reply reply) {
  const auto entries = context.gateway.diff(call.params["config"]);
  if (!entries) return reply(tl::unexpected(entries.error()));
  json changes = json::array();
  bool needs_restart = false;
  for (const auto& entry : *entries) {
    const bool hidden =
        call.peer.role < Role::kAdmin && std::string_view(entry.pointer).starts_with("/gateway");
    changes.push_back({{"pointer", entry.pointer},
                       {"before", hidden ? json(kHidden) : entry.before},
                       {"after", hidden ? json(kHidden) : entry.after},
                       {"needs_restart", entry.needs_restart}});
    needs_restart = needs_restart || entry.needs_restart;
  }
  reply(json{{"generation", context.gateway.generation()},
             {"different", !changes.empty()},
             {"needs_restart", needs_restart},
             {"changes", std::move(changes)}});
}

void validate(MethodContext&, const Call& call, Reply reply) {
  const auto model = parse_config(call.params["config"]);
  if (!model) return reply(tl::unexpected(model.error()));
  reply(json{{"valid", true}});
}

/// Waits for start(answer) to be answered, where workers are asked first: what is to be changed after it
/// waits as well, as people's changes are made in the order in which they were asked for.
template <typename Start>
void answer_applied(const Reply& reply, Start start) {
  const auto answered = std::make_shared<std::promise<Outcome<ApplyResult>>>();
  start([answered](Outcome<ApplyResult> outcome) { answered->set_value(std::move(outcome)); });
  const Outcome<ApplyResult> result = answered->get_future().get();
  if (!result) return reply(tl::unexpected(result.error()));
  reply(apply_object(*result));
}

void apply(MethodContext& context, const Call& call, Reply reply) {
  ApplyOptions options;
  options.author = call.peer.subject;
  options.dry_run = call.params.value("dry_run", false);
  options.allow_no_services = call.params.value("allow_no_services", false);
  if (call.params.contains("if_generation")) {
    options.if_generation = call.params["if_generation"].get<uint64_t>();
  }
  answer_applied(reply, [&](Gateway::ApplyAnswer answer) {
    context.gateway.apply(call.params["config"], options, std::move(answer));
  });
}

void rollback(MethodContext& context, const Call& call, Reply reply) {
  answer_applied(reply, [&](Gateway::ApplyAnswer answer) {
    context.gateway.rollback(call.params["generation"].get<uint64_t>(), call.peer.subject, std::move(answer));
  });
}

void history(MethodContext& context, const Call&, Reply reply) {
  json list = json::array();
  for (const auto& entry : context.gateway.history()) {
    list.push_back({{"generation", entry.generation},
                    {"time", time_text(entry.time)},
                    {"author", entry.author},
                    {"sha256", entry.sha256},
                    {"changed", entry.changed}});
  }
  reply(std::move(list));
}

Subject subject(const MethodContext& context, const json& params) {
  const bool is_dry = params.value("dry_run", false);
  return {is_dry ? "the configuration (dry run)" : "the configuration",
          "generation " + std::to_string(context.gateway.generation())};
}

}  // namespace

std::vector<Method> config_methods() {
  const Param config{"config", ParamType::kObject, true, "the configuration, as in the file"};
  constexpr auto kApplied =
      "`{generation, changed, disruption, flows_cut, warnings: [{pointer, message}]}`: what changed; by "
      "service the fraction of all slots "
      "whose backend changed; and by service, where it is one at least, how many flows end or move, as the "
      "workers counted them before (left out where they did not answer in time)";
  return {
      {"config.get",
       Role::kView,
       "What is applied, defaults filled in.",
       "`{generation, config}`; `hash_key` is hidden from all but admin",
       {},
       get},
      {"config.validate",
       Role::kView,
       "Checks a configuration without applying it.",
       "`{valid: true}`, or the error that `config.apply` would answer",
       {config},
       validate},
      {"config.diff",
       Role::kView,
       "What applying a configuration would change.",
       "`{generation, different, needs_restart, changes: [{pointer, before, after, needs_restart}]}`",
       {config},
       diff},
      {"config.apply",
       Role::kAdmin,
       "Applies a configuration: all of it, or nothing.",
       kApplied,
       {config,
        {"if_generation", ParamType::kInteger, false, "refuse unless this is the present generation"},
        {"dry_run", ParamType::kBoolean, false, "answer, or refuse, as if applied, and apply nothing"},
        {"allow_no_services", ParamType::kBoolean, false,
         "apply it even where it takes away all services; else that is refused"}},
       apply,
       Where::kChanges,
       subject},
      {"config.history",
       Role::kView,
       "The last 20 generations of the configuration.",
       "a list of `{generation, time, author, sha256, changed}`",
       {},
       history},
      {"config.rollback",
       Role::kAdmin,
       "Applies the configuration of an earlier generation again.",
       kApplied,
       {{"generation", ParamType::kInteger, true, "one of config.history"}},
       rollback,
       Where::kChanges,
       subject},
  };
}

}  // namespace sluice::ctrl
