// One run of sluicectl: the global options, the connection, and what is printed where.
#pragma once

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluicectl/client.h"
#include "sluicectl/command.h"
#include "sluicectl/remote_client.h"
#include "sluicectl/render.h"

namespace sluice::sluicectl {

class Session {
 public:
  std::string socket = "/run/sluice/sluice.sock";
  RemoteAccess remote;  ///< where its URL is given: instead of the socket
  std::string format = "table";
  double timeout_seconds = 30;

  Format output() const;
  /// The connection, made at the first call.
  Attempt<Client*> client();
  Attempt<nlohmann::json> call(const std::string& method, const nlohmann::json& params);
  /// Calls, and prints the result or the failure.
  void show(const std::string& method, const nlohmann::json& params,
            const std::vector<std::string_view>& columns = {});
  void print(const nlohmann::json& result, const std::vector<std::string_view>& columns = {}) const;
  /// Prints to stderr, in the chosen format, and sets the exit code. `places` are the faults by file, line
  /// and column, where they are of a file.
  void report(const Failure& failure, const std::vector<std::string>& places = {});
  void report(ExitCode code, const std::string& message) { report(Failure{code, message}); }

  ExitCode exit_code = ExitCode::kOk;

 private:
  std::unique_ptr<Client> client_;
};

// The nouns: each adds its subcommands to `app`; `session` outlives it.
void add_config_commands(Command app, Session& session);
void add_backend_commands(Command app, Session& session);
void add_inspection_commands(Command app, Session& session);
void add_source_commands(Command app, Session& session);   ///< source change
void add_traffic_commands(Command app, Session& session);  ///< service flow explain stats drops neighbor
void add_ledger_commands(Command app, Session& session);
void add_ledger_file_commands(Command ledger, Session& session);  ///< those that need no gateway
void add_capture_command(Command app, Session& session);
void add_simulate_command(Command app, Session& session);
void add_event_command(Command app, Session& session);
void add_drops_command(Command app, Session& session);
void add_doctor_command(Command app, Session& session);
void add_support_command(Command app, Session& session);
void add_top_command(Command app, Session& session);
void add_tunnel_commands(Command app, Session& session);
void add_log_commands(Command app, Session& session);

}  // namespace sluice::sluicectl
