// Who may speak with an HTTP server that is not for everybody, and over which TLS. The thread of the server.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "ctrl/access/peer.h"
#include "ctrl/http/http_server.h"

namespace sluice::ctrl {

class TlsSession;

/// What of a request the gate goes by.
struct HttpRequestFacts {
  std::string_view path;
  std::string_view authorization;  ///< empty: it has no such field
  size_t authorizations = 0;       ///< fields of that name
};

/// What a peer does to a connection that ends it before, or instead of, a request.
enum class HttpFault : uint8_t {
  kHandshake,
  kSlowHandshake,
  kSlowRequest,
  kMalformed,
  kRenegotiation,
  kCrowded
};

/// The gate's own knowledge of one connection.
class HttpVisit {
 public:
  virtual ~HttpVisit() = default;
  /// The handshake is over. `session` outlives the visit's last call.
  virtual void arrived(const TlsSession& session) = 0;
  /// Who asks; or what is answered instead of what was asked for.
  virtual tl::expected<Peer, HttpAnswer> admit(const HttpRequestFacts& request) = 0;
  virtual void failed(HttpFault fault) = 0;
  /// A request of somebody who was let in has its answer, but for what a stream goes on with.
  struct Answered {
    std::string_view path;
    std::string_view method;
    std::string_view traceparent;
    const Peer& peer;
    unsigned status;
    std::chrono::system_clock::time_point began;
  };
  virtual void answered(const Answered&) {}
};

class HttpGate {
 public:
  virtual ~HttpGate() = default;
  /// What the TLS of a new connection is made of.
  virtual std::shared_ptr<SSL_CTX> tls() = 0;
  /// One from `address`, with its port.
  virtual std::unique_ptr<HttpVisit> visit(std::string address) = 0;
};

}  // namespace sluice::ctrl
