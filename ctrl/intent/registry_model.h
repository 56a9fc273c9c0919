// `registry` of the configuration: how services register themselves with this gateway. A change needs a
// restart.
#pragma once

#include <chrono>
#include <string>

#include "ctrl/intent/access_model.h"

namespace sluice::ctrl {

struct RegistryModel {
  std::string http;   ///< ADDRESS:PORT; empty: not over HTTP
  std::string grpc;   ///< likewise
  std::string state;  ///< a directory; empty: `registry` below the gateway's own

  ServerTlsModel tls;
  TokenModel jwt;

  std::chrono::milliseconds ttl{30'000};  ///< of leases that do not say another one

  bool has_authentication() const { return !tls.client_ca.empty() || !jwt.keys.empty(); }
  bool operator==(const RegistryModel&) const = default;
};

}  // namespace sluice::ctrl
