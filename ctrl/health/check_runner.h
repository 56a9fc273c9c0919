// What runs the health checks: the time that they go by, their alarms, and the probes themselves. The
// machine's is over an io_context; the simulator brings its own. Control loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "ctrl/health/probe.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

class CheckRunner {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Alarm : uint8_t { kNextCheck, kDelivery };
  virtual ~CheckRunner() = default;

  virtual Clock::time_point now() const = 0;
  /// `ring` is called at that time, and nothing that was set for that alarm before.
  virtual void set_alarm(Alarm alarm, Clock::time_point then, std::function<void()> ring) = 0;
  /// `done` is called once, later, and within check.timeout where it goes to the backend itself.
  using Done = std::function<void(ProbeResult)>;
  virtual void start(const HealthCheck& check, const BackendKey& backend, Done done) = 0;
  /// No alarm rings any more.
  virtual void stop() = 0;
  /// Of the spread of the checks.
  virtual uint32_t seed() = 0;
};

/// The machine's. `io` outlives it. Without `routes` no check goes through a service.
std::unique_ptr<CheckRunner> run_checks_by(boost::asio::io_context& io,
                                           std::shared_ptr<ServiceRoutes> routes);

}  // namespace sluice::ctrl
