// `tls` and `jwt` of a server of the gateway: what it shows, and whom it believes. Names of files are
// absolute.
#pragma once

#include <string>

namespace sluice::ctrl {

struct ServerTlsModel {
  std::string certificate;  ///< PEM, with those that vouch for it; empty: no TLS
  std::string key;          ///< of the certificate
  std::string client_ca;    ///< authorities of clients' certificates; empty: clients are not asked for one
  bool operator==(const ServerTlsModel&) const = default;
};

struct TokenModel {
  std::string keys;                 ///< a JSON Web Key Set; empty: no tokens
  std::string issuer, audience;     ///< empty: any
  std::string role_claim = "role";  ///< where roles count
  bool operator==(const TokenModel&) const = default;
};

}  // namespace sluice::ctrl
