// sluicectl: the command line of the control socket.
#include <cstdio>

#include "ctrl/daemon/usage_error.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

int main(int argc, char** argv) {
  CLI::App app{"The client of sluiced's control socket.", "sluicectl"};
  Session session;
  app.fallthrough()->require_subcommand(1);
  app.add_option("--socket", session.socket, "the gateway's control socket")
      ->envname("SLUICE_SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", session.format, "how results are printed")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  app.add_option("--timeout", session.timeout_seconds, "seconds to wait for an answer")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app.set_version_flag("--version", "sluicectl " SLUICE_VERSION);
  add_config_commands(app, session);
  add_backend_commands(app, session);
  add_source_commands(app, session);
  add_traffic_commands(app, session);
  add_ledger_commands(app, session);
  add_capture_command(app, session);
  add_top_command(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ctrl::show_usage_error(app, error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluicectl: %s\n", error.what());
    return static_cast<int>(ExitCode::kRefused);
  }
  return static_cast<int>(session.exit_code);
}

}  // namespace
}  // namespace sluice::sluicectl

int main(int argc, char** argv) {
  return sluice::sluicectl::main(argc, argv);
}
