// One health check through the kernel's own sockets, from its beginning to its verdict. Control loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/address.h"
#include "ctrl/health/tls_session.h"
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

/// Ends within check.timeout. `port` where the check names none; `tls` is what all checks share.
boost::asio::awaitable<ProbeResult> probe(HealthCheck check, IpAddress address, uint16_t port,
                                          std::shared_ptr<TlsContexts> tls);

}  // namespace sluice::ctrl
