// The URL of a server, as an endpoint is given: scheme, host, port and a path before all others (RFC 3986).
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

struct ServerUrl {
  bool is_tls = false;
  std::string host;  ///< a name or an address, an IPv6 address without its brackets
  uint16_t port = 0;
  std::string path;  ///< without a slash at its end; may be empty

  /// For a Host field: the host with its port, an IPv6 address in brackets.
  std::string authority() const;
};

struct UrlDefaults {
  uint16_t port = 80;  ///< of http, and where no scheme is given
  uint16_t tls_port = 443;
  bool is_tls = false;  ///< where no scheme is given
};

/// `https://registry.example.test:8501/prefix`, or `HOST:PORT` alone. Errors are for people; none quotes what
/// may be a password in it.
Result<ServerUrl> parse_server_url(std::string_view text, const UrlDefaults& defaults);

/// `text` with all but unreserved characters percent-encoded, for a segment of a path or a query.
std::string percent_encoded(std::string_view text);
/// RFC 3986, 2.1; nothing where a `%` has no two digits after it.
std::optional<std::string> percent_decoded(std::string_view text);
/// What lies between the separators; one part, the whole, where there is none.
std::vector<std::string_view> parts_of(std::string_view text, char separator);

}  // namespace sluice::ctrl
