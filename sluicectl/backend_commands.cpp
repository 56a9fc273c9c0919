#include <memory>

#include "sluicectl/endpoint.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

struct BackendArguments {
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

void call_on_backend(Session& session, const std::string& method, const BackendArguments& arguments,
                     const json& more) {
  auto params = backend_params(session, arguments.pool, arguments.endpoint);
  if (!params) return;
  params->update(more);
  session.show(method, *params);
}

Command backend_command(Command noun, const char* name, const char* help,
                        const std::shared_ptr<BackendArguments>& arguments) {
  auto command = noun.add(name, help);
  command.option("POOL", arguments->pool, "the pool's name").required();
  command.option("BACKEND", arguments->endpoint, "ADDRESS:PORT, or ADDRESS PORT").required().words(1, 2);
  return command;
}

}  // namespace

void add_backend_commands(Command app, Session& session) {
  auto arguments = std::make_shared<BackendArguments>();
  auto backend = app.add_noun("backend", "Look at and steer backends");
  auto list = backend.add(
      "list", "Show every backend: its state, why, since when, its share of the table, and who names it");
  list.option("--pool,POOL", arguments->pool, "this pool's only");
  list.run([&session, arguments] {
    const json params = arguments->pool.empty() ? json::object() : json{{"pool", arguments->pool}};
    session.show(
        "backend.list", params,
        {"pool", "address", "port", "state", "weight", "share", "active_flows", "origin", "since", "reason"});
  });
  const auto state_command = [&](const char* name, const char* help, const char* state) {
    backend_command(backend, name, help, arguments).run([&session, arguments, state] {
      call_on_backend(session, "backend.set", *arguments, {{"state", state}});
    });
  };
  state_command("drain", "Let its flows go on and give it no new ones", "draining");
  state_command("activate", "Give it new flows again", "active");
  state_command("maintain", "Take it out at once: its flows are picked anew", "maintenance");

  auto weight = backend.add("weight",
                            "Set its weight, until a configuration with another weight is "
                            "applied, or its source names another one; makes no "
                            "generation");
  weight.option("POOL", arguments->pool, "the pool's name").required();
  weight.option("BACKEND", arguments->endpoint, "ADDRESS:PORT, or ADDRESS PORT; then the weight, 0 to 65535")
      .required()
      .words(2, 3);
  weight.run([&session, arguments] {
    const auto value = parse_port(arguments->endpoint.back());  // the same range
    if (!value) return session.report(ExitCode::kUsage, "the weight must be 0 to 65535");
    arguments->endpoint.pop_back();
    call_on_backend(session, "backend.set", *arguments, {{"weight", *value}});
  });

  auto flow = app.add_noun("flow", "Look at and end flows");
  auto flows = flow.add("list", "Show flows that the workers remember");
  auto service = std::make_shared<std::string>();
  auto limit = std::make_shared<uint64_t>(100);
  flows.option("--service", *service, "this service's only");
  flows.option("--limit", *limit, "at most this many").show_default();
  flows.run([&session, service, limit] {
    json params = {{"limit", *limit}};
    if (!service->empty()) params["service"] = *service;
    session.show("flow.list", params,
                 {"service", "protocol", "source", "source_port", "destination", "destination_port",
                  "backend", "state", "idle_seconds", "worker"});
  });
  backend_command(flow, "flush", "End the flows of a backend: each is picked anew", arguments)
      .run([&session, arguments] { call_on_backend(session, "flow.flush", *arguments, json::object()); });
}

}  // namespace sluice::sluicectl
