#include <memory>

#include "sluicectl/session.h"

namespace sluice::sluicectl {

using nlohmann::json;

void add_source_commands(CLI::App& app, Session& session) {
  auto* source = app.add_subcommand("source", "Look at sources of backends")->require_subcommand(1);
  auto* list = source->add_subcommand("list", "Show every source, how it fares and whom it names");
  list->callback([&session] {
    session.show("source.list", json::object(),
                 {"name", "type", "state", "since", "last_success", "updates", "errors", "pools", "reason"});
  });
  auto* release = source->add_subcommand("release", "Let through what a guard holds back");
  auto name = std::make_shared<std::string>();
  auto pool = std::make_shared<std::string>();
  release->add_option("SOURCE", *name, "the source's name")->required();
  release->add_option("POOL", *pool, "this pool's only");
  release->callback([&session, name, pool] {
    json params = {{"source", *name}};
    if (!pool->empty()) params["pool"] = *pool;
    session.show("source.release", params);
  });

  auto* change = app.add_subcommand("change", "Follow changes")->require_subcommand(1);
  auto* changes = change->add_subcommand("list", "Show the last changes and how far each has come");
  auto limit = std::make_shared<uint64_t>(20);
  auto cause = std::make_shared<std::string>();
  changes->add_option("--limit", *limit, "at most this many")->capture_default_str();
  changes->add_option("--cause", *cause, "config, source, health, ejection or operator");
  changes->callback([&session, limit, cause] {
    json params = {{"limit", *limit}};
    if (!cause->empty()) params["cause"] = *cause;
    session.show("change.list", params,
                 {"id", "cause", "object", "seen", "compiled", "published", "everywhere", "first_flow"});
  });
}

}  // namespace sluice::sluicectl
