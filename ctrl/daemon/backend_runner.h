// Has the gateway look every now and then at what time and handshakes do to its backends. Made on the control
// loop; the work is done on the thread of observations.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "ctrl/store/control_threads.h"
#include "ctrl/store/gateway.h"

namespace sluice::ctrl {

class BackendRunner {
 public:
  static constexpr std::chrono::milliseconds kInterval{100};

  /// Begins at once; borrows all three.
  BackendRunner(boost::asio::io_context& io, Gateway& gateway, ControlThreads& threads);

 private:
  void wait();

  Gateway& gateway_;
  ControlThreads& threads_;
  boost::asio::steady_timer timer_;
  std::atomic<bool> is_minding_ = false;
};

}  // namespace sluice::ctrl
