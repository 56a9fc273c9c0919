#include <algorithm>
#include <array>

#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/net/tls_session.h"
#include "ctrl/wire/http_response.h"

namespace sluice::ctrl {
namespace {

std::string request_of(const CheckTarget& target) {
  const HealthCheck& check = target.check;
  const std::string host = check.host.empty() ? endpoint_text(target.address, target.port) : check.host;
  return "GET " + check.path + " HTTP/1.1\r\nHost: " + host +
         "\r\nUser-Agent: sluice-health\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

boost::asio::awaitable<void> read_answer(ByteStream& stream, HttpResponse& answer) {
  std::array<uint8_t, 4096> bytes;
  auto progress = HttpResponse::Progress::kNeedsMore;
  while (progress == HttpResponse::Progress::kNeedsMore) {
    const size_t got = co_await stream.read_some(bytes);
    progress = got == 0 ? answer.end() : answer.put(text_of(std::span(bytes).first(got)));
  }
  if (progress == HttpResponse::Progress::kFaulty) throw CheckFailed(answer.fault());
}

boost::asio::awaitable<std::string> get(ByteStream& stream, const CheckTarget& target) {
  const HealthCheck& check = target.check;
  const std::string request = request_of(target);
  co_await stream.write(bytes_of(request));
  HttpResponse answer(!check.expect_body.empty());
  co_await read_answer(stream, answer);
  const std::string found = "HTTP status " + std::to_string(answer.status());
  if (std::ranges::find(check.expect, answer.status()) == check.expect.end()) throw CheckFailed(found);
  if (answer.body().find(check.expect_body) == std::string_view::npos) {
    throw CheckFailed(found + ", and its body lacks the expected text");
  }
  co_return found;
}

}  // namespace

boost::asio::awaitable<std::string> check_http(const CheckTarget& target) {
  const auto connection = open_connection(target, CheckConnection::Kind::kStream, target.port);
  co_await connection->connect();
  std::string found = co_await get(*connection, target);
  co_return found;
}

boost::asio::awaitable<std::string> check_https(const CheckTarget& target) {
  const auto context = target.tls.with({.ca = target.check.ca, .certificate = {}, .key = {}});
  const auto connection = open_connection(target, CheckConnection::Kind::kStream, target.port);
  co_await connection->connect();
  TlsSession session(*connection, *context, tls_peer_of(target));
  session.offer_protocol("http/1.1");
  co_await session.handshake();
  std::string found = co_await get(session, target);
  co_return found;
}

}  // namespace sluice::ctrl
