// At most so many coroutines at once may do something; the others wait for their turn, in order. One thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <utility>

#include "ctrl/net/faults.h"
#include "ctrl/net/stop_signal.h"

namespace sluice::ctrl {

class Turns {
 public:
  Turns(boost::asio::io_context& io, size_t most) : io_(io), free_(most) {}

  /// Ends with its scope. The Turns it is of has to outlive it.
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(&turns) {}
    Turn(Turn&& from) noexcept : turns_(std::exchange(from.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->give_back();
    }

   private:
    Turns* turns_;
  };

  /// Throws PeerFault where `stop` is stopped meanwhile.
  boost::asio::awaitable<Turn> take(StopSignal& stop) {
    if (free_ > 0) {
      --free_;
      co_return Turn(*this);
    }
    Waiter waiter(io_, waiting_);
    const StopSignal::Registration ends(stop, [&waiter] { waiter.timer.cancel(); });
    boost::system::error_code ignored;
    if (!stop.is_stopped()) {
      co_await waiter.timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    if (!waiter.has_turn) throw PeerFault("stopped");
    co_return Turn(*this);
  }

 private:
  struct Waiter {
    Waiter(boost::asio::io_context& io, std::list<Waiter*>& list)
        : timer(io, boost::asio::steady_timer::time_point::max()), waiting(list) {
      at = waiting.insert(waiting.end(), this);
    }
    ~Waiter() {
      if (!has_turn) waiting.erase(at);
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    boost::asio::steady_timer timer;
    std::list<Waiter*>& waiting;
    std::list<Waiter*>::iterator at;
    bool has_turn = false;
  };

  void give_back() {
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    Waiter* const next = waiting_.front();
    waiting_.pop_front();
    next->has_turn = true;
    next->timer.cancel();
  }

  boost::asio::io_context& io_;
  size_t free_;
  std::list<Waiter*> waiting_;
};

}  // namespace sluice::ctrl
