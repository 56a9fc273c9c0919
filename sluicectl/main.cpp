// sluicectl: the command line of the control socket.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string_view>

#include "ctrl/daemon/usage_error.h"
#include "sluicectl/command_line.h"
#include "sluicectl/completion.h"

namespace sluice::sluicectl {
namespace {

int main(int argc, char** argv) {
  CLI::App app;
  Session session;
  add_command_line(app, session);
  app.set_version_flag("--version", "sluicectl " SLUICE_VERSION);
  try {
    if (argc > 1 && argv[1] == std::string_view("__complete")) {
      print_completions(app, session, {argv + 2, argv + argc});
      return static_cast<int>(ExitCode::kOk);
    }
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
