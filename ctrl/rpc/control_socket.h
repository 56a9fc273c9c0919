// The Unix socket's place in the file system: one daemon per path, a stale socket cleared away, the mode
// set. Start and stop of the control thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/result.h"

namespace sluice::ctrl {

/// A bound, listening socket and the lock `<path>.lock` that says whose it is. Both files go with the
/// object.
class ControlSocket {
 public:
  /// Creates the path's last directory if it is missing. Fails with one line: who holds the lock, what is
  /// in the way, which permission is missing.
  static Result<ControlSocket> open(const std::string& path, unsigned mode);
  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket();

  /// Gives the listening descriptor away, once.
  int release_descriptor();
  gid_t group() const { return group_; }

 private:
  ControlSocket(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  Result<void> bind(unsigned mode);

  std::string path_;
  int lock_;
  int descriptor_ = -1;
  gid_t group_ = 0;
  bool bound_ = false;
};

}  // namespace sluice::ctrl
