// sluiced from its configuration to its end: puts the gateway, the control socket, health checks, metrics
// and signals on one event loop, and runs it. The thread that calls run() is the control thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/result.h"
#include "ctrl/intent/load_config.h"

namespace sluice::ctrl {

struct DaemonOptions {
  std::string config_file;
  std::string state_directory = "/var/lib/sluice";  ///< of what the gateway keeps for itself
  std::string version;
  /// Leave once no packet has come for that long.
  std::optional<std::chrono::duration<double>> exit_idle;
};

class Daemon {
 public:
  /// Opens the control socket and the HTTP port, then starts the gateway. An Error is one line.
  static Result<std::unique_ptr<Daemon>> start(const DaemonOptions& options, LoadedConfig config);
  ~Daemon();

  /// Until SIGTERM, SIGINT, --exit-idle or a failure of the ledger; then stops everything and says what
  /// became of packets and transactions. False: the ledger failed, the log says why.
  bool run();

 private:
  Daemon();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::ctrl
