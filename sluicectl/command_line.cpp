#include "sluicectl/command_line.h"

#include <CLI/CLI.hpp>

namespace sluice::sluicectl {
namespace {

constexpr const char* kFooter =
    R"(Options may stand before or after the command. Results go to standard output, diagnostics to standard error;
with -o json or yaml these are an object too, {error: {code, message, hint, faults, places}}, its code the exit
status. An IPv6 endpoint is [2001:db8::1]:8080. Address and port may also be two words.

Exit status: 0 ok, 1 refused or failed, 2 usage, 3 configuration invalid, 4 cannot connect, 5 not permitted,
6 generation conflict, 7 timeout, 8 config diff found differences, or simulate --against flows that move.)";

}  // namespace

void add_command_line(CLI::App& app, Session& session) {
  app.name("sluicectl");
  app.description("The client of sluiced: over its control socket, or from afar.");
  app.footer(kFooter);
  app.fallthrough()->require_subcommand(1);
  app.add_option("--socket", session.socket, "the gateway's control socket")
      ->envname("SLUICE_SOCKET")
      ->capture_default_str();
  app.add_option(
         "--remote", session.remote.url,
         "the gateway from afar, https://HOST:PORT, instead of its control socket; --cert or --token say "
         "who asks")
      ->envname("SLUICE_REMOTE")
      ->type_name("URL");
  app.add_option("--ca", session.remote.ca,
                 "file of the authorities that the remote gateway is believed by; the system's unless given")
      ->envname("SLUICE_CA")
      ->type_name("FILE");
  auto* const certificate =
      app.add_option("--cert", session.remote.certificate, "file of a client certificate to show")
          ->envname("SLUICE_CERT")
          ->type_name("FILE");
  auto* const key = app.add_option("--key", session.remote.key, "file of its key")
                        ->envname("SLUICE_KEY")
                        ->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--token", session.remote.token, "file of a token to send, as file:PATH")
      ->envname("SLUICE_TOKEN")
      ->type_name("FILE")
      ->excludes(certificate);
  app.add_option("-o,--output", session.format, "how results are printed")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  app.add_option("--timeout", session.timeout_seconds, "seconds to wait for an answer")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  add_config_commands(app, session);
  add_backend_commands(app, session);
  add_inspection_commands(app, session);
  add_source_commands(app, session);
  add_traffic_commands(app, session);
  add_capture_command(app, session);
  add_event_command(app, session);
  add_ledger_commands(app, session);
  add_log_commands(app, session);
  add_simulate_command(app, session);
  add_top_command(app, session);
  add_tunnel_commands(app, session);
  add_doctor_command(app, session);
  add_support_command(app, session);
}

}  // namespace sluice::sluicectl
