// What sluiced may be told, and what --help says of it, from which docs/reference/cli.md is made too.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "ctrl/daemon/daemon.h"

namespace sluice::ctrl {

struct CommandLine {
  DaemonOptions daemon;
  bool check_only = false;
};

/// Adds all of it to `app`; `line`, which outlives it, has what was said once it has parsed.
inline void add_command_line(CLI::App& app, CommandLine& line) {
  app.name("sluiced");
  app.description("Sluice: a packet-processing gateway that balances traffic over backends.");
  app.footer(
      R"(SIGTERM and SIGINT end it: /readyz turns to 503; the gateway goes on for gateway.lameduck, or until the next such
signal; then the workers drain what is in flight, and the last log line says what became of all packets:
received + originated = transmitted + dropped + consumed. While the gateway still starts, it leaves at once with
status 0. With a ledger another line has ledger_totals, a JSON object: received and what became of those, by outcome.

SIGHUP applies the file again; a bad one leaves the old generation running. The log says which generation it made,
how many live flows it ended (flows_cut=37 (web 30, dns 7)), and the warnings.

The log goes to standard error: text, or JSON with log.format: json. Under systemd lines are entries of the journal
with fields: PRIORITY, SLUICE_COMPONENT, CODE_FILE, CODE_LINE; where journald's socket is not there, each line begins with
its priority. log.levels and `sluicectl log set` give a component a level of its own. The same line is written five times
in 10 s at most; then one tells how many were left out.

Exit status: 0 after a clean stop, 1 when it could not start, with one line that says why, or when the ledger's disk
failed, 2 usage, 3 configuration invalid.)");
  app.add_option("--config", line.daemon.config_file, "the configuration, a YAML file")
      ->type_name("FILE")
      ->required();
  app.add_flag("--check-config", line.check_only,
               "say what is wrong with the configuration, a line for each fault (file:line:column: message "
               "(pointer)), and exit: 3 if anything, else 0. What is valid, but hardly meant, is a line "
               "\"warning: ...\", here and in the log at the start. Needs no NIC and no privilege");
  app.add_option(
         "--state", line.daemon.state_directory,
         "where the gateway keeps what is its own: hash_key, drawn at the first start where the "
         "configuration has none (mode 0600, never shown or logged). Where it cannot be written, the key "
         "is drawn for this run, and the log says so. And history: the last 20 configurations, so that "
         "generations go on from where they were")
      ->type_name("DIRECTORY")
      ->capture_default_str();
  app.add_option_function<double>(
         "--exit-idle",
         [&line](double seconds) { line.daemon.exit_idle = std::chrono::duration<double>(seconds); },
         "leave with status 0 once no packet has come for that many seconds, from the start on; fractions "
         "are "
         "allowed")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace sluice::ctrl
