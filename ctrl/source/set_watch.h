// Reads the files of sets again when they change, on a thread of its own: a million prefixes take a while.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ctrl/intent/rules_model.h"
#include "ctrl/intent/shared_map.h"
#include "ctrl/observed/set_contents.h"

namespace sluice::ctrl {

class SetWatch {
 public:
  /// Called on the watch's own thread, which it may keep waiting.
  using Deliver = std::function<void(std::vector<SetReading>)>;
  explicit SetWatch(Deliver deliver);
  /// Waits for the reading that is under way.
  ~SetWatch();
  SetWatch(const SetWatch&) = delete;
  SetWatch& operator=(const SetWatch&) = delete;

  /// The sets that count from now on. Those that are new, or mean another file, are read once: they may have
  /// changed since the configuration was. Any thread; never waits.
  void follow(const SharedMap<SetModel>& sets);

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace sluice::ctrl
