// The kinds of health checks, one file each: what makes a backend pass. Control loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>

#include "common/address.h"
#include "ctrl/model.h"

namespace sluice::ctrl {

/// One check of one backend. A check answers what it found, for people, where the backend passes; it throws
/// CheckFailed or CheckImpossible else, at the latest when check.timeout is over.
struct CheckTarget {
  const HealthCheck& check;
  IpAddress address;
  uint16_t port;  ///< the one to check
  boost::asio::any_io_executor executor;
};

/// A connection is accepted.
boost::asio::awaitable<std::string> check_tcp(const CheckTarget& target);
/// A GET is answered with an expected status.
boost::asio::awaitable<std::string> check_http(const CheckTarget& target);

}  // namespace sluice::ctrl
