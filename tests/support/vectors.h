// Where the published test vectors lie: the folder of SLUICE_VECTORS, else ../shared/vectors beside the
// source tree. They are read in place.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sluice::test {

inline std::filesystem::path vectors_folder() {
  if (const char* folder = std::getenv("SLUICE_VECTORS")) return folder;
  return std::filesystem::path(SLUICE_SOURCE_ROOT) / ".." / "shared" / "vectors";
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace sluice::test

/// Leaves the test as skipped where the vectors of that sub-folder are not on this machine.
#define SLUICE_NEEDS_VECTORS(subfolder)                                                   \
  if (!std::filesystem::exists(::sluice::test::vectors_folder() / (subfolder)))           \
  GTEST_SKIP() << "no test vectors in " << ::sluice::test::vectors_folder() / (subfolder) \
               << ": set SLUICE_VECTORS to the folder that has them"
