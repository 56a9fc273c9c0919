// The time within which a peer has to answer, renewed with each step: when it is over, or the task is
// stopped, the socket is closed, and whoever waits for it learns why. One thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "ctrl/net/faults.h"
#include "ctrl/net/stop_signal.h"

namespace sluice::ctrl {

class Deadline {
 public:
  /// `close` is called at most once, and not after this object is gone.
  Deadline(boost::asio::io_context& io, StopSignal& stop, std::function<void()> close);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// From now on; takes the place of what was said before.
  void expires_after(std::chrono::milliseconds time);
  /// Throws PeerFault where the time is over or the task was stopped: the socket must not be opened then.
  void check() const;
  /// Throws PeerFault for an operation that ended with `error`: it says whether the time was over.
  [[noreturn]] void fail(const boost::system::error_code& error) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  StopSignal::Registration stop_;
};

}  // namespace sluice::ctrl
