// `registry` of the configuration: how services register themselves with this gateway. A change needs a
// restart.
#pragma once

#include <chrono>
#include <string>

namespace sluice::ctrl {

struct RegistryModel {
  std::string http;   ///< ADDRESS:PORT; empty: not over HTTP
  std::string grpc;   ///< likewise
  std::string state;  ///< a directory; empty: `registry` below the gateway's own

  // Names of files; empty: no TLS, no client certificates, no tokens.
  std::string certificate, key, client_ca;
  std::string jwt_keys;
  std::string jwt_issuer, jwt_audience;

  std::chrono::milliseconds ttl{30'000};  ///< of leases that do not say another one

  bool has_authentication() const { return !client_ca.empty() || !jwt_keys.empty(); }
  bool operator==(const RegistryModel&) const = default;
};

}  // namespace sluice::ctrl
