// The kinds of health checks, one file each: what makes a backend pass. Control loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "common/address.h"
#include "ctrl/health/check_connection.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

class CheckPackets;
class TlsContexts;
struct ServiceRoute;
struct TlsPeer;

/// One check of one backend. A check answers what it found, for people, where the backend passes; it throws
/// CheckFailed or CheckImpossible else, at the latest when check.timeout is over.
struct CheckTarget {
  const HealthCheck& check;
  IpAddress address;
  uint16_t port;  ///< the one to check; 0: the kind's own
  boost::asio::any_io_executor executor;
  TlsContexts& tls;
  const ServiceRoute* route =
      nullptr;  ///< through a service, whose are then `address` and `port`; null: none
  std::shared_ptr<CheckPackets> packets = {};  ///< where there is a route
};

/// To `port` of the target, by its way. The check's time runs from here on. Throws CheckImpossible.
std::unique_ptr<CheckConnection> open_connection(const CheckTarget& target, CheckConnection::Kind kind,
                                                 uint16_t port);

/// A connection is accepted.
boost::asio::awaitable<std::string> check_tcp(const CheckTarget& target);
/// A TLS handshake succeeds.
boost::asio::awaitable<std::string> check_tls(const CheckTarget& target);
/// A GET is answered with an expected status, and an expected text in its body.
boost::asio::awaitable<std::string> check_http(const CheckTarget& target);
/// The same over TLS.
boost::asio::awaitable<std::string> check_https(const CheckTarget& target);
/// grpc.health.v1.Health/Check answers SERVING.
boost::asio::awaitable<std::string> check_grpc(const CheckTarget& target);
/// A query is answered without an error.
boost::asio::awaitable<std::string> check_dns(const CheckTarget& target);
/// A datagram is answered, with an expected text.
boost::asio::awaitable<std::string> check_udp(const CheckTarget& target);

/// Whom TLS is to be spoken with: `server_name`, else the name in `host`, else the address.
TlsPeer tls_peer_of(const CheckTarget& target);

}  // namespace sluice::ctrl
