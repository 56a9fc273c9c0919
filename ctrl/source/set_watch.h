// Reads the files of sets again when they change, on a thread of its own: a million prefixes take a while.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "ctrl/intent/rules_model.h"
#include "ctrl/intent/shared_map.h"
#include "ctrl/observed/set_contents.h"
#include "ctrl/source/files_watch.h"

namespace sluice::ctrl {

class SetWatch {
 public:
  /// Called on the watch's own thread, which it may keep waiting.
  using Deliver = std::function<void(std::vector<SetReading>)>;
  /// Its end waits for the reading that is under way.
  explicit SetWatch(Deliver deliver);

  /// The sets that count from now on. Those that are new, or mean another file, are read once: they may have
  /// changed since the configuration was. Any thread; never waits.
  void follow(const SharedMap<SetModel>& sets);

 private:
  std::mutex mutex_;
  SharedMap<SetModel> followed_;
  FilesWatch watch_;
};

}  // namespace sluice::ctrl
