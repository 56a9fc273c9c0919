// Reads the files that parts of the configuration name again when they change, on a thread of its own: what
// is read may take a while to make something of.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/shared_map.h"
#include "ctrl/source/files_watch.h"

namespace sluice::ctrl {

/// `Model` has a name and, as kFile, the path of its file, which may be empty. kRead makes of it what
/// `Reading` is told, or an Error.
template <typename Model, typename Reading, std::string Model::*kFile, auto kRead>
class ModelFilesWatch {
 public:
  /// Called on the watch's own thread, which it may keep waiting.
  using Deliver = std::function<void(std::vector<Reading>)>;
  /// Its end waits for the reading that is under way.
  explicit ModelFilesWatch(Deliver deliver)
      : watch_([deliver = std::move(deliver)](const auto& files) { deliver(read(files)); }, is_same) {}

  /// Those that count from now on. Those that are new, or mean another file, are read once: they may have
  /// changed since the configuration was. Any thread; never waits.
  void follow(const SharedMap<Model>& models) {
    {
      const std::lock_guard lock(mutex_);
      if (models == followed_) return;  // most publications are about something else
      followed_ = models;
    }
    std::vector<WatchedFile> files;
    for (const auto& [name, model] : models) {
      const std::string& file = (*model).*kFile;
      if (!file.empty()) files.push_back({name, file, model});
    }
    watch_.follow(std::move(files));
  }

 private:
  static bool is_same(const void* a, const void* b) {
    return *static_cast<const Model*>(a) == *static_cast<const Model*>(b);
  }

  static std::vector<Reading> read(const std::vector<WatchedFile>& files) {
    std::vector<Reading> readings;
    for (const WatchedFile& file : files) {
      const auto model = std::static_pointer_cast<const Model>(file.of);
      auto content = kRead(*model);
      if (content) {
        readings.push_back({model, std::move(*content)});
      } else {
        readings.push_back({model, nullptr, content.error().message});
      }
    }
    return readings;
  }

  std::mutex mutex_;
  SharedMap<Model> followed_;
  FilesWatch watch_;
};

}  // namespace sluice::ctrl
