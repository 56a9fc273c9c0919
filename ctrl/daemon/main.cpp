// sluiced: the command line, and what goes wrong before there is a log.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "ctrl/daemon/avx512_build.h"
#include "ctrl/daemon/command_line.h"
#include "ctrl/daemon/usage_error.h"
#include "ctrl/intent/config_warnings.h"
#include "ctrl/log/log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/open_secrets.h"

namespace sluice::ctrl {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kConfigInvalid = 3;

int run(const CommandLine& line) {
  auto config = load_config(line.daemon.config_file);
  if (!config) {
    for (const auto& fault : config.error()) std::fprintf(stderr, "%s\n", fault.c_str());
    return kConfigInvalid;
  }
  const auto warnings = warnings_of(config->model, config->file.config);
  if (line.check_only) {
    for (const auto& warning : config->file.describe(warnings))
      std::fprintf(stderr, "warning: %s\n", warning.c_str());
    std::printf("%s: ok\n", line.daemon.config_file.c_str());
    return 0;
  }
  open_log(config->model.log, log_target());
  for (const auto& warning : config->file.describe(warnings)) log_warning({warning});
  tell_of_open_secrets([](const std::string& warning) { log_warning({warning}); });
  auto daemon = Daemon::start(line.daemon, std::move(*config));
  if (!daemon) {
    const Error& error = daemon.error();
    const std::string place = error.pointer.empty() ? "" : " (" + error.pointer + ")";
    print_to_log("sluiced: " + error.message + place);
    return kFailed;
  }
  return (*daemon)->run() ? 0 : kFailed;
}

int main(int argc, char** argv) {
  become_avx512_build(argv);
  CLI::App app;
  CommandLine line;
  line.daemon.version = SLUICE_VERSION;
  add_command_line(app, line);
  app.set_version_flag("--version", "sluiced " SLUICE_VERSION ", compiled for " SLUICE_CPU);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return show_usage_error(app, error) == 0 ? 0 : kUsage;
  }
  try {
    return run(line);
  } catch (const std::exception& error) {
    print_to_log("sluiced: " + std::string(error.what()));
    return kFailed;
  }
}

}  // namespace
}  // namespace sluice::ctrl

int main(int argc, char** argv) {
  return sluice::ctrl::main(argc, argv);
}
