// One health check, from its beginning to its verdict. Control loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/address.h"
#include "ctrl/health/service_routes.h"
#include "ctrl/net/tls_session.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

enum class Verdict : uint8_t {
  kPassed,
  kFailed,   ///< the backend refused, reset, was silent or answered something else
  kUnknown,  ///< the check could not be made here: no descriptors, no memory, no route, no time
};

struct ProbeResult {
  Verdict verdict = Verdict::kUnknown;
  std::string reason;  ///< for people: "HTTP status 503", "connection refused"
};

/// What all checks share.
struct CheckMeans {
  std::shared_ptr<TlsContexts> tls = std::make_shared<TlsContexts>();
  std::shared_ptr<ServiceRoutes> routes =
      nullptr;  ///< null: a check `via: service` goes to the backend itself
};

/// Ends within check.timeout; within as much for each service where it goes through several. `backend.port`
/// where the check names none.
boost::asio::awaitable<ProbeResult> probe(HealthCheck check, BackendKey backend, CheckMeans means);

}  // namespace sluice::ctrl
