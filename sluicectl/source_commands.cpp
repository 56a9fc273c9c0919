#include <memory>

#include "sluicectl/session.h"

namespace sluice::sluicectl {

using nlohmann::json;

void add_source_commands(Command app, Session& session) {
  auto source = app.add_noun("source", "Look at sources of backends");
  auto list = source.add("list", "Show every source, how it fares and whom it names");
  list.run([&session] {
    session.show("source.list", json::object(),
                 {"name", "type", "state", "since", "last_success", "updates", "errors", "pools", "reason"});
  });
  auto release = source.add("release", "Let through what a guard holds back");
  auto name = std::make_shared<std::string>();
  auto pool = std::make_shared<std::string>();
  release.option("SOURCE", *name, "the source's name").required();
  release.option("POOL", *pool, "this pool's only");
  release.run([&session, name, pool] {
    json params = {{"source", *name}};
    if (!pool->empty()) params["pool"] = *pool;
    session.show("source.release", params);
  });

  auto change = app.add_noun("change", "Follow changes");
  auto changes = change.add("list", "Show the last changes and how far each has come");
  auto limit = std::make_shared<uint64_t>(20);
  auto cause = std::make_shared<std::string>();
  changes.option("--limit", *limit, "at most this many").show_default();
  changes.option("--cause", *cause, "config, source, health, ejection or operator");
  changes.run([&session, limit, cause] {
    json params = {{"limit", *limit}};
    if (!cause->empty()) params["cause"] = *cause;
    session.show("change.list", params,
                 {"id", "cause", "object", "seen", "compiled", "published", "everywhere", "first_flow"});
  });
}

}  // namespace sluice::sluicectl
