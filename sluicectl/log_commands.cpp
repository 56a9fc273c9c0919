#include <memory>

#include "sluicectl/session.h"

namespace sluice::sluicectl {

using nlohmann::json;

void add_log_commands(Command app, Session& session) {
  auto log = app.add_noun("log", "Look at and set what the gateway logs");
  log.add("list", "Show what each component logs").run([&session] {
    session.show("log.list", json::object(), {"component", "level"});
  });
  auto component = std::make_shared<std::string>();
  auto level = std::make_shared<std::string>();
  auto set = log.add("set", "Set the level of a component, until the configuration's changes");
  set.option("COMPONENT", *component, "whose lines; log list names them").required();
  set.option("LEVEL", *level, "the least severe level that is logged")
      .required()
      .one_of({"trace", "debug", "info", "warning", "error", "critical", "off"});
  set.run([&session, component, level] {
    session.show("log.set", {{"component", *component}, {"level", *level}});
  });
}

}  // namespace sluice::sluicectl
