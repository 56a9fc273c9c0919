// Whether a log was written while the verifier read it. Any thread.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>

namespace sluice::ledger {

/// What shows that somebody has written the log, or begun to, since it was looked at. No lock is taken for
// that: a gateway that starts meanwhile would find it held.
class LogState {
 public:
  explicit LogState(const std::string& directory)
      : lock_(stamp_of(directory + "/lock")), checkpoint_(stamp_of(directory + "/checkpoint")) {}
  bool operator==(const LogState&) const = default;

 private:
  using Stamp = std::array<int64_t, 3>;
  static Stamp stamp_of(const std::string& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return {};
    return {static_cast<int64_t>(status.st_ino), status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  }

  Stamp lock_;
  Stamp checkpoint_;
};

}  // namespace sluice::ledger
