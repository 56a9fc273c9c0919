#include <memory>

#include "sluicectl/session.h"

namespace sluice::sluicectl {

using nlohmann::json;

namespace {

void show_rules(Session& session, const std::string& name) {
  const auto inspections = session.call("inspection.list", json::object());
  if (!inspections) return session.report(inspections.error());
  for (const json& inspection : *inspections) {
    if (inspection["name"] == name) return session.print(inspection["rules"], {"id", "action", "matches"});
  }
  session.report(ExitCode::kRefused, "there is no inspection named \"" + name + "\"");
}

}  // namespace

void add_inspection_commands(Command app, Session& session) {
  auto inspection = app.add_noun("inspection", "Look at inspections");
  auto list = inspection.add("list", "Show every inspection, whether its rules count and what they have met");
  list.run([&session] {
    session.show("inspection.list", json::object(),
                 {"name", "mode", "state", "since", "services", "open_streams", "scanned_bytes", "ambiguous",
                  "held_dropped", "streams_exceeded", "error"});
  });
  auto rules = inspection.add("rules", "Show the rules of an inspection and how often each has matched");
  auto name = std::make_shared<std::string>();
  rules.option("INSPECTION", *name, "its name").required();
  rules.run([&session, name] { show_rules(session, *name); });
}

}  // namespace sluice::sluicectl
