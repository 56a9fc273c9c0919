#include "sluicectl/session.h"

namespace sluice::sluicectl {

using nlohmann::json;

void add_inspection_commands(Command app, Session& session) {
  auto inspection = app.add_noun("inspection", "Look at inspections");
  auto list =
      inspection.add("list", "Show every inspection, whether its rules count and what they have found");
  list.run([&session] {
    session.show("inspection.list", json::object(),
                 {"name", "mode", "state", "since", "services", "open_streams", "scanned_bytes", "ambiguous",
                  "held_dropped", "streams_exceeded", "rules", "error"});
  });
}

}  // namespace sluice::sluicectl
