// Between the health checks and the gateway: has the checks follow what counts, a bounded step at a time, and
// hands over what they find. Made and called on the control loop; results are taken on the thread of
// observations.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <mutex>

#include "ctrl/health/health_checks.h"
#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

/// What was found, until it is passed on: results that come while others are being compiled wait for each
/// other. Any thread.
class PendingResults {
 public:
  /// True: these are the first, somebody is to take them.
  bool add(const HealthChecks::Results& results);
  HealthChecks::Results take();

 private:
  std::mutex mutex_;
  HealthChecks::Results results_;
};

class HealthRunner {
 public:
  /// Borrows all three; `descriptors`: how many the process may have.
  HealthRunner(boost::asio::io_context& io, Gateway& gateway, ControlThreads& threads, size_t descriptors);

  /// After every publication.
  void follow();
  void stop();
  const HealthChecks& checks() const { return checks_; }

 private:
  void follow_some();
  void observe(const HealthChecks::Results& results);

  boost::asio::io_context& io_;
  Gateway& gateway_;
  ControlThreads& threads_;
  PendingResults results_;
  std::shared_ptr<const Effective> followed_state_;  ///< as a whole
  HealthChecks::Pools followed_;                     ///< pool by pool
  bool is_following_ = false;                        ///< and has not come to the end
  bool is_stopped_ = false;
  HealthChecks checks_;
};

}  // namespace sluice::ctrl
