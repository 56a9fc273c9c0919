// The end of a coroutine's task as told from outside: what the coroutine waits for is closed at once, so that
// it resumes and sees it. One thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <utility>

namespace sluice::ctrl {

class StopSignal {
 public:
  StopSignal() = default;
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool is_stopped() const { return is_stopped_; }
  void stop() {
    is_stopped_ = true;
    for (const auto& action : std::exchange(actions_, {})) action();
  }

  /// While it lives, stop() calls its action, once; at once where stop() has been called. Not to outlive the
  /// signal.
  class Registration {
   public:
    Registration(StopSignal& signal, std::function<void()> action) : signal_(signal) {
      if (signal.is_stopped_) {
        action();
      } else {
        at_ = signal.actions_.insert(signal.actions_.end(), std::move(action));
      }
    }
    ~Registration() {
      if (!signal_.is_stopped_) signal_.actions_.erase(at_);
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    StopSignal& signal_;
    std::list<std::function<void()>>::iterator at_;
  };

 private:
  bool is_stopped_ = false;
  std::list<std::function<void()>> actions_;
};

/// Returns after `time`, or when `stop` is stopped.
inline boost::asio::awaitable<void> wait_for(boost::asio::io_context& io, StopSignal& stop,
                                             std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(io, time);
  const StopSignal::Registration ends(
      stop, [&timer] { timer.expires_at(boost::asio::steady_timer::time_point::min()); });
  boost::system::error_code ignored;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

}  // namespace sluice::ctrl
