#include "ctrl/config_history.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "ctrl/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

std::shared_ptr<const Model> sample_model() {
  return std::make_shared<const Model>(*parse_config(test::sample_config()));
}

TEST(ConfigHistory, KeepsTheNewest) {
  ConfigHistory history(3);
  const auto model = sample_model();
  for (uint64_t generation = 1; generation <= 5; ++generation) {
    history.add({generation, {}, "file", "", {"routes"}}, model);
  }
  const auto entries = history.entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].generation, 5u);
  EXPECT_EQ(entries[2].generation, 3u);
  EXPECT_EQ(history.find(4), model);
  EXPECT_EQ(history.find(2), nullptr);
}

TEST(ConfigHistory, HashesAsSha256sumDoes) {
  const auto model = sample_model();
  ConfigHistory history(1);
  history.add({1, {}, "file", "", {}}, model);
  const std::string path =
      std::filesystem::temp_directory_path() / ("history_test." + std::to_string(::getpid()));
  std::ofstream(path) << to_json(*model).dump();
  FILE* const pipe = ::popen(("sha256sum " + path).c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  char hex[65] = {};
  const size_t read = std::fread(hex, 1, 64, pipe);
  ::pclose(pipe);
  std::filesystem::remove(path);
  ASSERT_EQ(read, 64u);
  EXPECT_EQ(history.entries()[0].sha256, hex);
}

}  // namespace
}  // namespace sluice::ctrl
