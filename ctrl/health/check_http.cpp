#include <algorithm>
#include <array>

#include "ctrl/config_values.h"
#include "ctrl/health/check_socket.h"
#include "ctrl/health/checks.h"
#include "ctrl/health/http_answer.h"

namespace sluice::ctrl {
namespace {

std::string request_of(const CheckTarget& target) {
  return "GET " + target.check.path + " HTTP/1.1\r\nHost: " + endpoint_text(target.address, target.port) +
         "\r\nUser-Agent: sluice-health\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

boost::asio::awaitable<void> read_answer(CheckSocket& socket, HttpAnswer& answer) {
  std::array<uint8_t, 4096> bytes;
  auto progress = HttpAnswer::Progress::kNeedsMore;
  while (progress == HttpAnswer::Progress::kNeedsMore) {
    const size_t got = co_await socket.read_some(bytes);
    progress = got == 0 ? answer.end() : answer.put({reinterpret_cast<const char*>(bytes.data()), got});
  }
  if (progress == HttpAnswer::Progress::kFaulty) throw CheckFailed(answer.fault());
}

}  // namespace

boost::asio::awaitable<std::string> check_http(const CheckTarget& target) {
  const HealthCheck& check = target.check;
  CheckSocket socket(target.executor, target.address, target.port, CheckSocket::Kind::kStream, check.timeout);
  co_await socket.connect();
  const std::string request = request_of(target);
  co_await socket.write({reinterpret_cast<const uint8_t*>(request.data()), request.size()});
  HttpAnswer answer(false);
  co_await read_answer(socket, answer);
  const std::string found = "HTTP status " + std::to_string(answer.status());
  if (std::ranges::find(check.expect, answer.status()) == check.expect.end()) throw CheckFailed(found);
  co_return found;
}

}  // namespace sluice::ctrl
