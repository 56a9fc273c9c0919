// sluiced: the command line, and what goes wrong before there is a log.
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include <cstdio>

#include "ctrl/daemon/daemon.h"
#include "ctrl/daemon/usage_error.h"
#include "ctrl/intent/config_warnings.h"
#include "ctrl/log/log.h"

namespace sluice::ctrl {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kConfigInvalid = 3;

struct CommandLine {
  DaemonOptions daemon;
  bool check_only = false;
};

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
  open_log(config->model.log, stderr_is_journal());
  for (const auto& warning : config->file.describe(warnings)) spdlog::warn("{}", warning);
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
  CLI::App app{"Sluice: a packet-processing gateway that balances traffic over backends.", "sluiced"};
  CommandLine line;
  line.daemon.version = SLUICE_VERSION;
  double exit_idle = 0;
  app.add_option("--config", line.daemon.config_file, "the configuration, a YAML file")->required();
  app.add_flag("--check-config", line.check_only,
               "say what is wrong with the configuration and exit: 0 nothing, 3 something");
  app.add_option(
      "--state", line.daemon.state_directory,
      "the directory of what the gateway keeps for itself, " + line.daemon.state_directory + " unless given");
  auto* idle = app.add_option("--exit-idle", exit_idle,
                              "leave with status 0 once no packet has come for that many seconds")
                   ->check(CLI::NonNegativeNumber);
  app.set_version_flag("--version", "sluiced " SLUICE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return show_usage_error(app, error) == 0 ? 0 : kUsage;
  }
  if (*idle) line.daemon.exit_idle = std::chrono::duration<double>(exit_idle);
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
