#include <cstdio>
#include <memory>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/load_config.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

/// What commands take from the command line; lives as long as their callbacks.
struct ConfigArguments {
  std::string file;
  uint64_t generation = 0;
  bool dry_run = false;
  bool allow_no_services = false;
  bool save = false;
  std::string confirm;  ///< empty: it holds by itself
};

std::nullopt_t refuse_file(Session& session, const std::vector<std::string>& faults) {
  session.report({ExitCode::kConfigInvalid, "the configuration file is not valid"}, faults);
  return std::nullopt;
}

void validate(Session& session, const std::string& file) {
  const auto config = ctrl::load_config(file);
  if (config) {
    session.print(session.output() == Format::kTable ? json(file + ": ok") : json{{"valid", true}});
    return;
  }
  refuse_file(session, config.error());
}

/// Calls a method that takes the configuration in `file`; faults are told with their place in it.
std::optional<json> call_with_file(Session& session, const std::string& method, const std::string& file,
                                   json params) {
  auto config = ctrl::read_config_file(file);
  if (!config) return refuse_file(session, {config.error().message});
  if (!config->duplicates.empty()) {
    return refuse_file(session, ctrl::check_config_file(std::move(*config)).error());
  }
  if (!config->config.is_object()) {
    return refuse_file(session, {file + ":1:1: the configuration must be a mapping"});
  }
  params["config"] = config->config;
  auto result = session.call(method, params);
  if (result) return std::move(*result);
  const Failure& failure = result.error();
  session.report(failure,
                 failure.faults.empty() ? std::vector<std::string>() : config->describe(failure.faults));
  return std::nullopt;
}

void diff(Session& session, const std::string& file) {
  const auto result = call_with_file(session, "config.diff", file, json::object());
  if (!result) return;
  const bool as_table = session.output() == Format::kTable;
  if (!as_table || !result->value("changes", json::array()).empty()) {
    session.print(as_table ? (*result)["changes"] : *result, {"pointer", "before", "after", "needs_restart"});
  }
  if (result->value("different", false)) session.exit_code = ExitCode::kDifferent;
}

/// Has the gateway write its file. What was printed before stands, whatever becomes of that.
void save(Session& session) {
  const auto result = session.call("config.save", json::object());
  if (!result) return session.report(result.error());
  std::fprintf(stderr, "saved to %s\n", result->value("file", "").c_str());
}

void apply(Session& session, const ConfigArguments& arguments, bool has_generation) {
  json params = json::object();
  if (arguments.dry_run) params["dry_run"] = true;
  if (arguments.allow_no_services) params["allow_no_services"] = true;
  if (has_generation) params["if_generation"] = arguments.generation;
  if (!arguments.confirm.empty()) params["confirm"] = arguments.confirm;
  if (arguments.save && (arguments.dry_run || !arguments.confirm.empty())) {
    return session.report(ExitCode::kUsage, "what is not to hold is not saved: confirm it with --save");
  }
  const auto result = call_with_file(session, "config.apply", arguments.file, params);
  if (result) session.print(*result);
  if (result && arguments.save) save(session);
}

/// The generation that waits to be confirmed.
std::optional<uint64_t> pending_generation(Session& session) {
  const auto history = session.call("config.history", json::object());
  if (!history) {
    session.report(history.error());
    return std::nullopt;
  }
  for (const json& entry : *history) {
    if (entry.value("pending", false)) return entry["generation"].get<uint64_t>();
  }
  session.report(ExitCode::kRefused, "no generation waits to be confirmed");
  return std::nullopt;
}

void confirm(Session& session, const ConfigArguments& arguments) {
  const auto generation =
      arguments.generation != 0 ? std::optional(arguments.generation) : pending_generation(session);
  if (!generation) return;
  const auto result = session.call("config.confirm", {{"generation", *generation}});
  if (!result) return session.report(result.error());
  session.print(*result);
  if (arguments.save) save(session);
}

void show(Session& session) {
  const auto result = session.call("config.get", json::object());
  if (!result) return session.report(result.error());
  if (session.output() == Format::kJson) return session.print(*result);
  std::printf("# generation %s\n%s", (*result)["generation"].dump().c_str(),
              render_yaml((*result)["config"]).c_str());
}

}  // namespace

void add_config_commands(Command app, Session& session) {
  auto arguments = std::make_shared<ConfigArguments>();
  auto config = app.add_noun("config", "Look at and change the configuration");
  const auto with_file = [&](const char* name, const char* help) {
    auto command = config.add(name, help);
    command.option("FILE", arguments->file, "a configuration file").required();
    return command;
  };
  with_file("validate", "Check a file; needs no gateway").run([&session, arguments] {
    validate(session, arguments->file);
  });
  with_file("diff", "Show what applying a file would change; exits 8 if anything").run([&session, arguments] {
    diff(session, arguments->file);
  });
  auto applying =
      with_file("apply", "Apply a file: all of it, or nothing. What changes nothing makes no generation");
  applying.flag("--dry-run", arguments->dry_run,
                "answer, or be refused, as the apply would be, and apply nothing");
  applying.flag("--allow-no-services", arguments->allow_no_services,
                "apply it even where it takes away all services, which by SIGHUP is refused");
  applying
      .option("--confirm", arguments->confirm,
              "take it back by itself unless it is confirmed within this time, such as 120s")
      .of_type("TIME")
      .check([](const std::string& text) {
        const auto time = ctrl::parse_duration(text);
        return time ? std::string() : time.error().message;
      });
  applying.flag("--save", arguments->save, "then have the gateway write it to its own file");
  auto if_generation = applying.option("--if-generation", arguments->generation,
                                       "refuse unless this is the present generation");
  applying.run(
      [&session, arguments, if_generation] { apply(session, *arguments, if_generation.is_given()); });
  config
      .add("show", "Show what is applied, defaults filled in; as a table or YAML a file that can be applied")
      .run([&session] { show(session); });
  config.add("history", "Show the last 20 generations").run([&session] {
    session.show("config.history", json::object(),
                 {"generation", "time", "author", "confirmation", "confirm_by", "sha256", "changed"});
  });
  auto confirming = config.add("confirm", "Have the generation hold that waits to be confirmed");
  confirming.option("GENERATION", arguments->generation, "this one, and no other");
  confirming.flag("--save", arguments->save, "then have the gateway write it to its own file");
  confirming.run([&session, arguments] { confirm(session, *arguments); });
  config.add("save", "Have the gateway write what is applied to its own file").run([&session] {
    session.show("config.save", json::object());
  });
  auto rollback = config.add("rollback", "Apply an earlier generation again");
  rollback.option("GENERATION", arguments->generation, "one of the history").required();
  rollback.run([&session, arguments] {
    session.show("config.rollback", {{"generation", arguments->generation}});
  });
}

}  // namespace sluice::sluicectl
