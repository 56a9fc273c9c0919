#include "ctrl/daemon/backend_runner.h"

namespace sluice::ctrl {

BackendRunner::BackendRunner(boost::asio::io_context& io, Gateway& gateway, ControlThreads& threads)
    : gateway_(gateway), threads_(threads), timer_(io) {
  wait();
}

void BackendRunner::wait() {
  timer_.expires_after(kInterval);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    if (!is_minding_.exchange(true)) {
      threads_.observe([this] {
        gateway_.mind_backends();
        is_minding_ = false;
      });
    }
    wait();
  });
}

}  // namespace sluice::ctrl
