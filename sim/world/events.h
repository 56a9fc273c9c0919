// What is to happen in the simulated world, by virtual time; of what is due at once, what was said first
// comes first. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "sim/core/simulated_gateway.h"

namespace sluice::sim {

class Events {
 public:
  void at(Nanoseconds when, std::function<void()> what) {
    waiting_.emplace(std::pair(when, next_++), std::move(what));
  }
  bool empty() const { return waiting_.empty(); }
  /// When the next one is due; there is one.
  Nanoseconds next() const { return waiting_.begin()->first.first; }
  /// The next one, which is none of these any more.
  std::function<void()> take() {
    auto what = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    return what;
  }

 private:
  uint64_t next_ = 0;
  std::map<std::pair<Nanoseconds, uint64_t>, std::function<void()>> waiting_;
};

}  // namespace sluice::sim
