#include <future>
#include <memory>

#include "ctrl/intent/config_diff.h"
#include "ctrl/intent/config_history.h"
#include "ctrl/intent/config_schema.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/intent/whole_file.h"
#include "ctrl/intent/yaml_writer.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// Whoever knows the hash key can aim flows at one backend: it is for those who can set it.
constexpr auto kHashKey = "/gateway/hash_key";
constexpr auto kHidden = "(hidden)";

/// Whether a value is one of the headers that a receiver of traces knows the gateway by.
bool is_header(std::string_view pointer) {
  return pointer.starts_with("/tracing/headers");
}

void hide_secrets(json& config) {
  const json::json_pointer hash_key(kHashKey), headers("/tracing/headers");
  if (config.contains(hash_key)) config[hash_key] = kHidden;
  if (!config.contains(headers)) return;
  for (auto& [name, value] : config[headers].items()) value = kHidden;
}

void get_config(MethodContext& context, const Call& call, Reply reply) {
  json config = context.gateway.configuration();
  if (call.peer.role < Role::kAdmin) hide_secrets(config);
  reply(json{{"generation", context.gateway.generation()}, {"config", std::move(config)}});
}

void diff(MethodContext& context, const Call& call, Reply reply) {
  const auto entries = context.gateway.diff(call.params["config"]);
  if (!entries) return reply(tl::unexpected(entries.error()));
  json changes = json::array();
  bool needs_restart = false;
  for (const auto& entry : *entries) {
    const bool hidden =
        call.peer.role < Role::kAdmin && (std::string_view(entry.pointer).starts_with("/gateway") ||
                                          entry.pointer == "/tracing" || is_header(entry.pointer));
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

/// The places in a configuration of the files that parse_config() would read.
json named_files(const json& config) {
  json pointers = json::array();
  for (const auto& [list, key] : {std::pair("sets", "file"), std::pair("inspections", "rules_file")}) {
    for (size_t i = 0; config.contains(list) && i < config[list].size(); ++i) {
      if (config[list][i].contains(key))
        pointers.push_back("/" + (list + ("/" + std::to_string(i))) + "/" + key);
    }
  }
  return pointers;
}

/// Who may not apply a configuration may name files in one that he may not read: what is there, and what is
/// wrong with it, is not for him.
void validate(MethodContext&, const Call& call, Reply reply) {
  const json& config = call.params["config"];
  const bool reads_files = call.peer.role >= Role::kAdmin;
  const auto model = parse_config(config, reads_files ? NamedFiles::kRead : NamedFiles::kLeave);
  if (!model) return reply(tl::unexpected(model.error()));
  json answer{{"valid", true}};
  if (json unread = reads_files ? json::array() : named_files(config); !unread.empty())
    answer["unread"] = std::move(unread);
  reply(std::move(answer));
}

/// Waits for start(answer) to be answered, where workers are asked first: what is to be changed after it
/// waits as well, as people's changes are made in the order in which they were asked for. What is to be
/// confirmed is on disk before it is answered, so that a restart does not forget to take it back.
template <typename Start>
void answer_applied(Gateway& gateway, const Reply& reply, Start start) {
  const auto answered = std::make_shared<std::promise<Outcome<ApplyResult>>>();
  start([answered](Outcome<ApplyResult> outcome) { answered->set_value(std::move(outcome)); });
  const Outcome<ApplyResult> result = answered->get_future().get();
  if (!result) return reply(tl::unexpected(result.error()));
  if (result->confirm_by) gateway.keep_history();
  reply(apply_object(*result));
}

/// What takes long to prepare is prepared apart, so that changes that do not need it do not wait for it.
/// Those that come after it, and do need it, stay behind it.
template <typename Prepare>
void prepare_and_apply(MethodContext& context, const ApplyOptions& options, bool takes_long, Reply reply,
                       Prepare prepare) {
  const auto apply_now = [&gateway = context.gateway, options, reply](Gateway::Prepared prepared) {
    if (!prepared) return reply(tl::unexpected(std::move(prepared.error())));
    answer_applied(gateway, reply, [&](Gateway::ApplyAnswer answer) {
      gateway.apply(std::move(*prepared), options, std::move(answer));
    });
  };
  if (!takes_long && !context.threads.is_preparing()) return apply_now(prepare(context.gateway));
  context.threads.prepare([&context, apply_now, prepare = std::move(prepare)] {
    context.threads.change([apply_now, prepared = prepare(context.gateway)] { apply_now(prepared); });
  });
}

constexpr milliseconds kShortestConfirm{1000};

Outcome<std::optional<milliseconds>> confirm_of(const json& params) {
  if (!params.contains("confirm")) return std::nullopt;
  const auto time = parse_duration(params["confirm"].get_ref<const std::string&>());
  if (time && *time >= kShortestConfirm) return *time;
  const std::string wrong =
      time ? "must be at least " + format_duration(kShortestConfirm) : time.error().message;
  return tl::unexpected(Refusal{Refusal::Kind::kInvalid, "confirm: " + wrong, "", {{"/confirm", wrong}}});
}

void apply(MethodContext& context, const Call& call, Reply reply) {
  ApplyOptions options;
  options.author = call.peer.subject;
  options.dry_run = call.params.value("dry_run", false);
  options.allow_no_services = call.params.value("allow_no_services", false);
  if (call.params.contains("if_generation")) {
    options.if_generation = call.params["if_generation"].get<uint64_t>();
  }
  auto confirm = confirm_of(call.params);
  if (!confirm) return reply(tl::unexpected(std::move(confirm.error())));
  options.confirm = *confirm;
  options.span = call.span;
  const bool has_inspections = call.params["config"].contains("inspections");
  prepare_and_apply(context, options, has_inspections, std::move(reply),
                    [params = call.kept_params, options](Gateway& gateway) {
                      return gateway.prepare((*params)["config"], options);
                    });
}

void rollback(MethodContext& context, const Call& call, Reply reply) {
  const auto generation = call.params["generation"].get<uint64_t>();
  const bool has_inspections = !context.gateway.model()->inspections.empty();
  prepare_and_apply(context, {.author = call.peer.subject, .span = call.span}, has_inspections,
                    std::move(reply),
                    [generation, author = call.peer.subject, span = call.span](Gateway& gateway) {
                      return gateway.prepare_rollback(generation, {.author = author, .span = span});
                    });
}

void history(MethodContext& context, const Call&, Reply reply) {
  json list = json::array();
  for (const auto& entry : context.gateway.history()) {
    list.push_back({{"generation", entry.generation},
                    {"time", time_text(entry.time)},
                    {"author", entry.author},
                    {"sha256", entry.sha256},
                    {"changed", entry.changed},
                    {"pending", entry.confirmation == Confirmation::kPending},
                    {"confirmation", word_for(entry.confirmation)},
                    {"confirm_by", entry.confirm_by ? json(time_text(*entry.confirm_by)) : json(nullptr)}});
  }
  reply(std::move(list));
}

void confirm(MethodContext& context, const Call& call, Reply reply) {
  const auto generation = call.params["generation"].get<uint64_t>();
  if (auto confirmed = context.gateway.confirm(generation); !confirmed) {
    return reply(tl::unexpected(std::move(confirmed.error())));
  }
  reply(json{{"generation", generation}});
}

/// Not what waits to be confirmed: a restart reads that file, and would have nothing to take back to.
void save(MethodContext& context, const Call&, Reply reply) {
  for (const auto& entry : context.gateway.history()) {
    if (entry.confirmation != Confirmation::kPending) continue;
    return reply(refuse(Refusal::Kind::kConflict,
                        "generation " + std::to_string(entry.generation) + " waits to be confirmed",
                        "confirm it, then save it"));
  }
  const uint64_t generation = context.gateway.generation();
  const std::string text = "# Generation " + std::to_string(generation) + ", written by config.save.\n" +
                           yaml_text(context.gateway.configuration());
  const std::string& file = context.facts.config_file;
  if (const auto written = replace_file(file, text, 0640); !written) {
    return reply(refuse(Refusal::Kind::kUnavailable, "nothing was written: " + written.error().message,
                        "let the gateway's user write there, or write what config.get answers yourself"));
  }
  reply(json{{"generation", generation}, {"file", file}});
}

Subject subject_config(const MethodContext& context, const json& params) {
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
      "workers counted them before (left out where they did not answer in time). With `confirm`, "
      "`confirm_by` "
      "in Unix seconds";
  return {
      {"config.get",
       Role::kView,
       "What is applied, defaults filled in.",
       "`{generation, config}`; `hash_key` and `tracing.headers` are hidden from all but admin",
       {},
       get_config},
      {"config.validate",
       Role::kView,
       "Checks a configuration without applying it.",
       "`{valid: true}`, or the error that `config.apply` would answer. Files of sets and of rules are read "
       "for admin alone; for others `unread` lists where they are named",
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
         "apply it even where it takes away all services; else that is refused"},
        {"confirm", ParamType::kString, false,
         "such as `120s`, at least `1s`: take it back by itself unless `config.confirm` comes within that "
         "time"}},
       apply,
       Where::kChanges,
       subject_config},
      {"config.confirm",
       Role::kAdmin,
       "Has a generation hold that was applied with `confirm`.",
       "`{generation}`",
       {{"generation", ParamType::kInteger, true, "the one that is pending in config.history"}},
       confirm,
       Where::kChanges,
       subject_config},
      {"config.save",
       Role::kAdmin,
       "Writes what is applied to the file that the gateway was started with, whole or not at all. Its "
       "comments go, and defaults are filled in.",
       "`{generation, file}`",
       {},
       save,
       Where::kChanges,
       subject_config},
      {"config.history",
       Role::kView,
       "The last 20 generations of the configuration, those before a restart too.",
       "a list of `{generation, time, author, sha256, changed, pending, confirmation, confirm_by}`: "
       "`confirmation` is none, pending, confirmed, taken_back or superseded (by another apply)",
       {},
       history},
      {"config.rollback",
       Role::kAdmin,
       "Applies the configuration of an earlier generation again.",
       kApplied,
       {{"generation", ParamType::kInteger, true, "one of config.history"}},
       rollback,
       Where::kChanges,
       subject_config},
  };
}

}  // namespace sluice::ctrl
