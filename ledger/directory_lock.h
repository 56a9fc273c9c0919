// One writer for each log: an exclusive flock(2) on `lock`, which names the process that holds it. The
// kernel lets it go with the process, however that ends.
#pragma once

#include <string>

#include "common/result.h"

namespace sluice::ledger {

class DirectoryLock {
 public:
  /// Takes the lock, or fails with the holder's process id.
  static Result<DirectoryLock> take(const std::string& directory);

  DirectoryLock() = default;
  DirectoryLock(DirectoryLock&& from) noexcept;
  DirectoryLock& operator=(DirectoryLock&& from) noexcept;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace sluice::ledger
