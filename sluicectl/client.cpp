#include "sluicectl/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

tl::unexpected<Failure> failed(ExitCode code, std::string message) {
  return tl::unexpected(Failure{code, std::move(message)});
}

ExitCode code_of(const std::string& method, const std::string& kind) {
  if (kind == "forbidden") return ExitCode::kNotPermitted;
  if (kind == "conflict") return ExitCode::kConflict;
  if (kind == "invalid" && method.starts_with("config.")) return ExitCode::kConfigInvalid;
  if (kind == "invalid_params") return ExitCode::kUsage;
  return ExitCode::kRefused;
}

}  // namespace

Failure failure_of(const std::string& method, const json& error) {
  Failure failure;
  failure.message = error.value("message", "the gateway refused");
  const json data = error.value("data", json::object());
  failure.code = code_of(method, data.value("kind", ""));
  failure.hint = data.value("hint", "");
  for (const auto& fault : data.value("faults", json::array())) {
    failure.faults.push_back({fault.value("pointer", ""), fault.value("message", "")});
  }
  return failure;
}

json request_object(const std::string& method, const json& params, int id) {
  json request = {{"jsonrpc", "2.0"}, {"method", method}, {"params", params}, {"id", id}};
  const char* const trace = std::getenv("TRACEPARENT");
  if (trace && *trace != '\0') request["traceparent"] = trace;
  return request;
}

Attempt<json> result_of(const std::string& method, std::string_view answer) {
  json object = json::parse(answer, nullptr, false);
  if (!object.is_object()) return failed(ExitCode::kRefused, "the answer is not JSON-RPC");
  if (object.contains("error")) return tl::unexpected(failure_of(method, object["error"]));
  return std::move(object["result"]);
}

Attempt<std::unique_ptr<Client>> SocketClient::connect(const std::string& path,
                                                       std::chrono::milliseconds timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failed(ExitCode::kUsage, "the socket's path is too long");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  std::unique_ptr<SocketClient> client(
      new SocketClient(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), timeout));
  const auto deadline = Clock::now() + timeout;
  while (::connect(client->socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EACCES || errno == EPERM) {
      return failed(ExitCode::kNotPermitted, "not permitted to connect to " + path);
    }
    if (errno != EAGAIN && errno != EINTR) {
      return failed(ExitCode::kCannotConnect,
                    "cannot connect to " + path + ": " + std::strerror(errno) + " (is sluiced running?)");
    }
    if (Clock::now() >= deadline)
      return failed(ExitCode::kTimeout, "the gateway does not accept connections");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // its backlog is full
  }
  return std::unique_ptr<Client>(std::move(client));
}

SocketClient::~SocketClient() {
  if (socket_ >= 0) ::close(socket_);
}

Attempt<json> SocketClient::call(const std::string& method, const json& params) {
  const auto deadline = Clock::now() + timeout_;
  const auto sent = send_request(method, params, deadline);
  if (!sent && sent.error().code == ExitCode::kTimeout) return tl::unexpected(sent.error());
  const auto line = read_line(deadline);  // a gateway that refuses may answer without reading all
  if (!line) return tl::unexpected(line.error());
  return result_of(method, *line);
}

Attempt<void> SocketClient::request(const std::string& method, const json& params) {
  return send_request(method, params, Clock::now() + timeout_);
}

Attempt<std::optional<json>> Client::receive(Clock::time_point deadline, int wake) {
  const auto line = receive_line(deadline, wake);
  if (!line) return tl::unexpected(line.error());
  if (!*line) return std::nullopt;
  json message = json::parse(**line, nullptr, false);
  if (!message.is_object()) return failed(ExitCode::kRefused, "what the gateway says is not JSON-RPC");
  return message;
}

Attempt<std::optional<std::string>> SocketClient::receive_line(Clock::time_point deadline, int wake) {
  while (received_.find('\n') == std::string::npos) {
    std::array<pollfd, 2> waiting = {{{socket_, POLLIN, 0}, {wake, POLLIN, 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    const int ready =
        ::poll(waiting.data(), waiting.size(), static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000'000)));
    if (ready == 0) return failed(ExitCode::kTimeout, "the gateway says nothing any more");
    if (waiting[1].revents != 0) return std::nullopt;
    if (waiting[0].revents == 0) continue;
    if (auto more = read_more(); !more) return tl::unexpected(more.error());
  }
  return read_line(deadline);
}

Attempt<void> SocketClient::send_request(const std::string& method, const json& params,
                                         Clock::time_point deadline) {
  const json request = request_object(method, params, next_id_++);
  return send(request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", deadline);
}

Attempt<void> SocketClient::wait_for(short events, Clock::time_point deadline) const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd waiting{socket_, events, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000'000)));
  if (ready == 0)
    return failed(ExitCode::kTimeout, "no answer within " + std::to_string(timeout_.count()) + " ms");
  return {};
}

Attempt<void> SocketClient::send(const std::string& text, Clock::time_point deadline) {
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t bytes = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (bytes >= 0) {
      sent += static_cast<size_t>(bytes);
    } else if (errno != EAGAIN && errno != EINTR) {
      return failed(ExitCode::kRefused, std::string("cannot send: ") + std::strerror(errno));
    } else if (auto ready = wait_for(POLLOUT, deadline); !ready) {
      return ready;
    }
  }
  return {};
}

Attempt<std::string> SocketClient::read_line(Clock::time_point deadline) {
  size_t searched = 0;
  for (;;) {
    const size_t end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    searched = received_.size();
    if (auto ready = wait_for(POLLIN, deadline); !ready) return tl::unexpected(ready.error());
    if (auto more = read_more(); !more) return tl::unexpected(more.error());
  }
}

Attempt<void> SocketClient::read_more() {
  std::array<char, 65536> buffer;
  const ssize_t bytes = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (bytes > 0) {
    received_.append(buffer.data(), static_cast<size_t>(bytes));
  } else if (bytes == 0 || (errno != EAGAIN && errno != EINTR)) {
    return failed(ExitCode::kRefused, "the gateway closed the connection");
  }
  return {};
}

}  // namespace sluice::sluicectl
