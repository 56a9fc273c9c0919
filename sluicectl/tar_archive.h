// A tar archive (POSIX.1-1988, ustar) of small files, gzipped. Pure.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "common/result.h"

namespace sluice::sluicectl {

class TarArchive {
 public:
  /// All files are of that time.
  explicit TarArchive(std::time_t time) : time_(time) {}

  /// `name` has at most 100 bytes.
  void add(std::string_view name, std::string_view content);
  /// The whole, compressed.
  Result<std::string> gzipped() const;

 private:
  std::time_t time_;
  std::string blocks_;
};

}  // namespace sluice::sluicectl
