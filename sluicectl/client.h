// A gateway to ask: one request, one answer, a deadline; or requests, and then whatever the gateway has to
// say. Over its control socket, or from afar (remote_client.h). Blocks.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
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

/// A request of JSON-RPC, with the trace that $TRACEPARENT says it is part of, where it is set.
nlohmann::json request_object(const std::string& method, const nlohmann::json& params, int id);

/// The result of a JSON-RPC answer to a call of `method`.
Attempt<nlohmann::json> result_of(const std::string& method, std::string_view answer);

class Client {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Client() = default;
  virtual Attempt<nlohmann::json> call(const std::string& method, const nlohmann::json& params) = 0;
  /// Asks, and leaves the answer to receive(). After that no call() on this connection.
  virtual Attempt<void> request(const std::string& method, const nlohmann::json& params) = 0;
  /// The next answer or notification, a line of JSON. Nothing: the descriptor `wake` has something to read.
  virtual Attempt<std::optional<std::string>> receive_line(Clock::time_point deadline, int wake) = 0;
  /// The same, read.
  Attempt<std::optional<nlohmann::json>> receive(Clock::time_point deadline, int wake);
};

class SocketClient : public Client {
 public:
  /// `timeout` is for each call() as a whole, and for connecting.
  static Attempt<std::unique_ptr<Client>> connect(const std::string& path, std::chrono::milliseconds timeout);
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;
  ~SocketClient() override;

  Attempt<nlohmann::json> call(const std::string& method, const nlohmann::json& params) override;
  Attempt<void> request(const std::string& method, const nlohmann::json& params) override;
  Attempt<std::optional<std::string>> receive_line(Clock::time_point deadline, int wake) override;

 private:
  SocketClient(int socket, std::chrono::milliseconds timeout) : socket_(socket), timeout_(timeout) {}
  Attempt<void> send(const std::string& text, Clock::time_point deadline);
  Attempt<void> send_request(const std::string& method, const nlohmann::json& params,
                             Clock::time_point deadline);
  Attempt<std::string> read_line(Clock::time_point deadline);
  Attempt<void> read_more();
  Attempt<void> wait_for(short events, Clock::time_point deadline) const;

  int socket_;
  std::chrono::milliseconds timeout_;
  int next_id_ = 1;
  std::string received_;
};

}  // namespace sluice::sluicectl
