#include "ctrl/source/http_servers.h"

#include "crypto/secret.h"

namespace sluice::ctrl {
namespace {

using boost::asio::awaitable;

crypto::SecretText text_of(const HttpRequest& request, const ServerUrl& url) {
  std::string text;
  // So much at once that no copy of the secret is left behind in a smaller block.
  text.reserve(1024 + request.target.size() + request.body.size() + request.secret.size());
  text += request.method + ' ' + url.path + request.target + " HTTP/1.1\r\nHost: " + url.authority() +
          "\r\nUser-Agent: sluice\r\nAccept: application/json\r\nConnection: close\r\n";
  if (!request.secret_field.empty()) {
    text += request.secret_field;
    text += ": ";
    text += request.secret;
    text += "\r\n";
  }
  if (request.method != "GET") {
    text +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  text += "\r\n";
  text += request.body;
  return crypto::SecretText(std::move(text));
}

}  // namespace

awaitable<std::unique_ptr<HttpExchange>> HttpServers::ask(const HttpRequest& request,
                                                          std::chrono::milliseconds patience,
                                                          StopSignal& stop) {
  Servers::Connected connected = co_await servers_.connect(stop);
  auto exchange = std::make_unique<HttpExchange>(std::move(connected.stream));
  const crypto::SecretText text = text_of(request, connected.url);
  std::string reason;
  try {
    co_await exchange->ask(text.reveal(), patience);
    co_return exchange;
  } catch (const std::runtime_error& error) {
    reason = error.what();
  }
  turn_away();
  throw PeerFault(connected.url.authority() + ": " + reason);
}

}  // namespace sluice::ctrl
