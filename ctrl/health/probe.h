// One health check: a TCP connection, or one HTTP request over it, through the kernel. Control loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "common/address.h"
#include "ctrl/model.h"

namespace sluice::ctrl {

struct ProbeResult {
  bool passed = false;
  std::string reason;  ///< for people: "HTTP status 503", "connection refused"
};

/// Ends within check.timeout. `port` where the check names none. HTTP is a GET whose answer's status must be
/// one of check.expect; nothing of its body is read.
boost::asio::awaitable<ProbeResult> probe(HealthCheck check, IpAddress address, uint16_t port);

}  // namespace sluice::ctrl
