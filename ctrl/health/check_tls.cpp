#include <string>

#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"
#include "ctrl/net/tls_session.h"

namespace sluice::ctrl {

namespace {

/// Of `name`, `name:port`, `[address]` or `[address]:port`.
std::string name_in_host(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

TlsPeer tls_peer_of(const CheckTarget& target) {
  const HealthCheck& check = target.check;
  return {check.server_name.empty() ? name_in_host(check.host) : check.server_name, target.address,
          check.insecure};
}

boost::asio::awaitable<std::string> check_tls(const CheckTarget& target) {
  const auto context = target.tls.with({.ca = target.check.ca, .certificate = {}, .key = {}});
  const auto connection = open_connection(target, CheckConnection::Kind::kStream, target.port);
  co_await connection->connect();
  TlsSession session(*connection, *context, tls_peer_of(target));
  co_await session.handshake();
  co_return session.version();
}

}  // namespace sluice::ctrl
