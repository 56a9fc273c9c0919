// The time that a Gateway goes by, and how it waits: the machine's, unless whoever starts it brings his own.
#pragma once

#include <chrono>
#include <thread>

#include "ctrl/observed/discovered_pool.h"

namespace sluice::ctrl {

/// Any thread. To be overridden by a simulator, for which waiting is stepping all that is simulated.
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  virtual std::chrono::steady_clock::time_point steady() const { return std::chrono::steady_clock::now(); }
  virtual std::chrono::system_clock::time_point wall() const { return std::chrono::system_clock::now(); }
  virtual void sleep_until(std::chrono::steady_clock::time_point then) {
    std::this_thread::sleep_until(then);
  }

  Moment now() const { return {steady(), wall()}; }
};

}  // namespace sluice::ctrl
