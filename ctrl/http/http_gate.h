// Who may speak with an HTTP server that is not for everybody, and over which TLS. The thread of the server.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string_view>
#include <tl/expected.hpp>

#include "ctrl/access/peer.h"

namespace sluice::ctrl {

struct HttpAnswer;
class TlsSession;

/// What of a request the gate goes by.
struct HttpRequestFacts {
  std::string_view path;
  std::string_view authorization;  ///< empty: it has no such field
  size_t authorizations = 0;       ///< fields of that name
};

/// The gate's own knowledge of one connection.
class HttpVisit {
 public:
  virtual ~HttpVisit() = default;
  /// The handshake is over, well or not: `session` is null where it failed, and `complaint` says why.
  virtual void arrived(const TlsSession* session, std::string_view complaint) = 0;
  /// Who asks; or what is answered instead of what was asked for.
  virtual tl::expected<Peer, HttpAnswer> admit(const HttpRequestFacts& request) = 0;
  /// The head of a request could not be read.
  virtual void malformed() = 0;
};

class HttpGate {
 public:
  virtual ~HttpGate() = default;
  /// For a new connection from `address` (with its port): what its TLS is made of, and its visit.
  virtual std::shared_ptr<SSL_CTX> tls() = 0;
  virtual std::unique_ptr<HttpVisit> visit(std::string address) = 0;
};

}  // namespace sluice::ctrl
