// A directory for what a simulated gateway keeps on disk, which goes with it.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace sluice::sim {

class ScratchDirectory {
 public:
  /// Throws std::filesystem::filesystem_error where there can be none.
  ScratchDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "sluice-simulation-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::filesystem::filesystem_error(name, std::error_code(errno, std::generic_category()));
    }
    path_ = name;
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sluice::sim
