// The documentation's files, and the parts of them that are made from the code's own tables.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace sluice::ctrl {

inline const std::filesystem::path kRoot = SLUICE_SOURCE_ROOT;

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

inline std::string table_cell(std::string_view text) {
  std::string cell;
  for (const char byte : text) cell += byte == '|' ? "\\|" : std::string(1, byte);
  return cell;
}

/// Whether a page is what the code makes of it; with SLUICE_UPDATE_DOCS=1 it becomes that.
inline void expect_current(const std::filesystem::path& file, const std::string& page) {
  if (std::getenv("SLUICE_UPDATE_DOCS") != nullptr) std::ofstream(file) << page;
  EXPECT_EQ(text_of(file), page) << "SLUICE_UPDATE_DOCS=1 writes it anew";
}

/// The same for a page's part between `<!-- made from NAME ... -->` and `<!-- end of NAME -->`.
inline void expect_part_current(const std::filesystem::path& file, const std::string& name,
                                const std::string& part) {
  std::string page = text_of(file);
  const size_t mark = page.find("<!-- made from " + name), begin = page.find("-->\n", mark);
  const size_t end = page.find("<!-- end of " + name + " -->", mark);
  ASSERT_TRUE(mark != std::string::npos && begin != std::string::npos && end != std::string::npos)
      << file << " has no part made from " << name;
  const size_t first = begin + 4;
  page.replace(first, end - first, part);
  expect_current(file, page);
}

}  // namespace sluice::ctrl
