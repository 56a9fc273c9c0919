// Follows files that have names in the configuration, on a thread of its own, and says which have changed:
// what is read may take a while to make something of.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sluice::ctrl {

/// A file, and what it is of.
struct WatchedFile {
  std::string name;  ///< of what it is of; unique
  std::string path;
  std::shared_ptr<const void> of;
};

class FilesWatch {
 public:
  /// Called on the watch's own thread, which it may keep waiting, with those that are new or have changed.
  using Read = std::function<void(const std::vector<WatchedFile>&)>;
  /// Whether two are the same, by what they are of: then what is known of the file stays.
  using IsSame = bool (*)(const void*, const void*);
  FilesWatch(Read read, IsSame is_same);
  /// Waits for the reading that is under way.
  ~FilesWatch();
  FilesWatch(const FilesWatch&) = delete;
  FilesWatch& operator=(const FilesWatch&) = delete;

  /// Those that count from now on. What is new is read once: it may have changed since the configuration was.
  /// Any thread; never waits.
  void follow(std::vector<WatchedFile> files);

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace sluice::ctrl
