// The client's side of the control socket: one request, one answer, a deadline; or requests, and then
// whatever the gateway has to say. Blocks.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "ctrl/intent/fault.h"
#include "sluicectl/exit_code.h"

namespace sluice::sluicectl {

/// Why there is no result.
struct Failure {
  ExitCode code = ExitCode::kRefused;
  std::string message;
  std::string hint = {};
  std::vector<ctrl::Fault> faults = {};
};

template <typename T>
using Attempt = tl::expected<T, Failure>;

/// The failure that a JSON-RPC error object stands for.
Failure failure_of(const std::string& method, const nlohmann::json& error);

class Client {
 public:
  using Clock = std::chrono::steady_clock;

  /// `timeout` is for each call() as a whole, and for connecting.
  static Attempt<Client> connect(const std::string& path, std::chrono::milliseconds timeout);
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;
  ~Client();

  Attempt<nlohmann::json> call(const std::string& method, const nlohmann::json& params);
  /// Asks, and leaves the answer to receive(). After that no call() on this connection.
  Attempt<void> request(const std::string& method, const nlohmann::json& params);
  /// The next answer or notification. Nothing: the descriptor `wake` has something to read.
  Attempt<std::optional<nlohmann::json>> receive(Clock::time_point deadline, int wake);

 private:
  Client(int socket, std::chrono::milliseconds timeout) : socket_(socket), timeout_(timeout) {}
  Attempt<void> send(const std::string& text, Clock::time_point deadline);
  Attempt<void> send_request(const std::string& method, const nlohmann::json& params,
                             Clock::time_point deadline);
  Attempt<std::string> receive_line(Clock::time_point deadline);
  Attempt<void> read_more();
  Attempt<void> wait_for(short events, Clock::time_point deadline) const;

  int socket_;
  std::chrono::milliseconds timeout_;
  int next_id_ = 1;
  std::string received_;
};

}  // namespace sluice::sluicectl
