#include <memory>

#include "sluicectl/endpoint.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct Arguments {
  std::string pool;
  std::vector<std::string> endpoint;
  uint32_t weight = 0;
};

/// `POOL ADDRESS:PORT` or `POOL ADDRESS PORT`, as params; nothing, and reported, where it is neither.
std::optional<json> backend_params(Session& session, const std::string& pool,
                                   const std::vector<std::string>& words) {
  const auto endpoint = parse_endpoint(words[0]);
  if (!endpoint) {
    session.report(ExitCode::kUsage, endpoint.error().message);
    return std::nullopt;
  }
  uint16_t port = endpoint->port.value_or(0);
  if (words.size() > 1) {
    const auto apart = parse_port(words[1]);
    if (!apart || endpoint->port) {
      session.report(ExitCode::kUsage, "give one port, after a colon or as a word of its own");
      return std::nullopt;
    }
    port = *apart;
  }
  return json{{"pool", pool}, {"address", endpoint->address}, {"port", port}};
}

void call_on_backend(Session& session, const std::string& method, const Arguments& arguments,
                     const json& more) {
  auto params = backend_params(session, arguments.pool, arguments.endpoint);
  if (!params) return;
  params->update(more);
  session.show(method, *params);
}

CLI::App* backend_command(CLI::App* noun, const char* name, const char* help,
                          const std::shared_ptr<Arguments>& arguments) {
  auto* command = noun->add_subcommand(name, help);
  command->add_option("POOL", arguments->pool, "the pool's name")->required();
  command->add_option("BACKEND", arguments->endpoint, "ADDRESS:PORT, or ADDRESS PORT")
      ->required()
      ->expected(1, 2);
  return command;
}

}  // namespace

void add_backend_commands(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  auto* backend = app.add_subcommand("backend", "Look at and steer backends")->require_subcommand(1);
  auto* list = backend->add_subcommand(
      "list", "Show every backend: its state, why, since when, its share of the table, and who names it");
  list->add_option("--pool,POOL", arguments->pool, "this pool's only");
  list->callback([&session, arguments] {
    const json params = arguments->pool.empty() ? json::object() : json{{"pool", arguments->pool}};
    session.show(
        "backend.list", params,
        {"pool", "address", "port", "state", "weight", "share", "active_flows", "origin", "since", "reason"});
  });
  const auto state_command = [&](const char* name, const char* help, const char* state) {
    backend_command(backend, name, help, arguments)->callback([&session, arguments, state] {
      call_on_backend(session, "backend.set", *arguments, {{"state", state}});
    });
  };
  state_command("drain", "Let its flows go on and give it no new ones", "draining");
  state_command("activate", "Give it new flows again", "active");
  state_command("maintain", "Take it out at once: its flows are picked anew", "maintenance");

  auto* weight = backend->add_subcommand("weight",
                                         "Set its weight, until a configuration with another weight is "
                                         "applied, or its source names another one; makes no "
                                         "generation");
  weight->add_option("POOL", arguments->pool, "the pool's name")->required();
  weight
      ->add_option("BACKEND", arguments->endpoint,
                   "ADDRESS:PORT, or ADDRESS PORT; then the weight, 0 to 65535")
      ->required()
      ->expected(2, 3);
  weight->callback([&session, arguments] {
    const auto value = parse_port(arguments->endpoint.back());  // the same range
    if (!value) return session.report(ExitCode::kUsage, "the weight must be 0 to 65535");
    arguments->endpoint.pop_back();
    call_on_backend(session, "backend.set", *arguments, {{"weight", *value}});
  });

  auto* flow = app.add_subcommand("flow", "Look at and end flows")->require_subcommand(1);
  auto* flows = flow->add_subcommand("list", "Show flows that the workers remember");
  auto service = std::make_shared<std::string>();
  auto limit = std::make_shared<uint64_t>(100);
  flows->add_option("--service", *service, "this service's only");
  flows->add_option("--limit", *limit, "at most this many")->capture_default_str();
  flows->callback([&session, service, limit] {
    json params = {{"limit", *limit}};
    if (!service->empty()) params["service"] = *service;
    session.show("flow.list", params,
                 {"service", "protocol", "source", "source_port", "destination", "destination_port",
                  "backend", "state", "idle_seconds", "worker"});
  });
  backend_command(flow, "flush", "End the flows of a backend: each is picked anew", arguments)
      ->callback(
          [&session, arguments] { call_on_backend(session, "flow.flush", *arguments, json::object()); });
}

}  // namespace sluice::sluicectl
