#include <chrono>
#include <cstdio>
#include <memory>

#include "sluicectl/interrupts.h"
#include "sluicectl/session.h"
#include "sluicectl/time_text.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct EventArguments {
  std::vector<std::string> kinds;
  uint64_t count = 0;  ///< 0: until it is ended
};

/// One line: the time, the kind, and what else there is as `name=value`.
std::string line_of(const json& event) {
  std::string line = time_text(event.value("time", 0.0)) + " " + event.value("kind", "");
  for (const auto& [name, value] : event.items()) {
    if (name == "time" || name == "kind") continue;
    line += " " + name + "=" + value.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return line + "\n";
}

void show(const Session& session, const json& event) {
  switch (session.output()) {
    case Format::kTable:
      std::fputs(line_of(event).c_str(), stdout);
      break;
    case Format::kJson:
      std::fputs((event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n").c_str(), stdout);
      break;
    case Format::kYaml:
      std::fputs(("---\n" + render_yaml(event)).c_str(), stdout);
      break;
  }
}

void follow(Session& session, const EventArguments& arguments) {
  const auto client = session.client();
  if (!client) return session.report(client.error());
  Interrupts interrupts;
  json params = json::object();
  if (!arguments.kinds.empty()) params["kinds"] = arguments.kinds;
  const auto subscribed = (*client)->call("events.subscribe", params);
  if (!subscribed) return session.report(subscribed.error());
  for (uint64_t shown = 0; arguments.count == 0 || shown < arguments.count;) {
    constexpr std::chrono::hours kLong{24 * 365};  // there may be nothing to say for long
    const auto message = (*client)->receive(Clock::now() + kLong, interrupts.descriptor());
    if (!message && message.error().code == ExitCode::kTimeout) continue;
    if (!message) return session.report(message.error());
    if (!*message) return;
    if ((*message)->value("method", "") != "event") continue;
    show(session, (**message)["params"]);
    if (std::fflush(stdout) != 0) return;  // nobody reads any more
    ++shown;
  }
}

}  // namespace

void add_event_command(Command app, Session& session) {
  auto arguments = std::make_shared<EventArguments>();
  auto events = app.add("events", "Show what happens, a line each, from now until Ctrl-C");
  events
      .option(
          "--kind", arguments->kinds,
          "of these kinds only: config_applied, config_refused, backend_state, source_state, tunnel_state, "
          "inspection_ready, ledger_checkpoint, worker_stalled, port_link, capture")
      .at_least(1);
  events.option("-c,--count", arguments->count, "end after so many").above_zero();
  events.run([&session, arguments] { follow(session, *arguments); });
}

}  // namespace sluice::sluicectl
