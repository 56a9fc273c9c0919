// One writer for each log: an exclusive flock(2) on the directory, and on the file `lock` in it, which names
// the process that holds both. The kernel lets them go with the process, however that ends.
#pragma once

#include <string>

#include "common/result.h"

namespace sluice::ledger {

/// Any thread, but one at a time.
class DirectoryLock {
 public:
  /// Takes the lock, or fails with the holder's process id.
  static Result<DirectoryLock> take(const std::string& directory);

  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& from) noexcept;
  DirectoryLock& operator=(DirectoryLock&& from) noexcept;
  ~DirectoryLock();

  /// Fails where the directory's path leads to another one by now, or another process holds `lock`. Makes a
  /// `lock` anew that somebody has removed.
  Result<void> check();

  /// What `lock` says once this goes away: that the log was left whole (kLeftWhole), or still the process. At
  /// first it is to say what it said before.
  void set_clean(bool is_clean) { is_clean_ = is_clean; }

  /// The content of `lock` where the log was left whole: nothing but zeros lies behind its last record.
  static constexpr char kLeftWhole[] = "stopped\n";

 private:
  Result<void> take_file();
  std::string holder() const;

  std::string path_;
  int directory_ = -1;
  int file_ = -1;
  bool is_clean_ = false;
};

}  // namespace sluice::ledger
