// Coroutines that run side by side and are waited for together. One thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "ctrl/net/spawn.h"

namespace sluice::ctrl {

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::io_context& io) : io_(io), state_(std::make_shared<State>(io)) {}

  /// What `task` refers to has to live until wait() has returned.
  void spawn(boost::asio::awaitable<void> task) {
    ++state_->running;
    ctrl::spawn(io_.get_executor(), std::move(task), [state = state_](std::exception_ptr failure) {
      if (failure && !state->failure) state->failure = failure;
      if (--state->running == 0) state->all_done.cancel();
    });
  }
  /// Until all have ended; throws what the first of those that failed has thrown.
  boost::asio::awaitable<void> wait() {
    const auto state = state_;
    boost::system::error_code ignored;
    while (state->running > 0) {
      co_await state->all_done.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    if (state->failure) std::rethrow_exception(std::exchange(state->failure, nullptr));
  }

 private:
  struct State {
    explicit State(boost::asio::io_context& io)
        : all_done(io, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer all_done;
    size_t running = 0;
    std::exception_ptr failure;
  };
  boost::asio::io_context& io_;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl
