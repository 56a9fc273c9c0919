#include "ctrl/intent/kept_hash_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ctrl/intent/config_values.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

std::string content_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(KeptHashKey, IsDrawnOnceAndStays) {
  const TemporaryDirectory temporary;
  const std::string directory = temporary.file("state");
  const KeptHashKey first = keep_hash_key(directory);
  EXPECT_EQ(first.problem, "");
  EXPECT_EQ(first.file, directory + "/hash_key");
  EXPECT_NE(first.key, SipKey{});
  EXPECT_EQ(content_of(first.file), format_hash_key(first.key) + "\n");
  EXPECT_EQ(keep_hash_key(directory).key, first.key);
  const TemporaryDirectory other;
  EXPECT_NE(keep_hash_key(other.file("state")).key, first.key);
}

TEST(KeptHashKey, IsItsOwnersAloneAndLeavesNothingElse) {
  const TemporaryDirectory temporary;
  const KeptHashKey kept = keep_hash_key(temporary.file("state"));
  struct stat about {};
  ASSERT_EQ(stat(kept.file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(temporary.file("state")))
    ++files;
  EXPECT_EQ(files, 1u);
}

TEST(KeptHashKey, IsReadAsAPersonMayHaveWrittenIt) {
  const TemporaryDirectory temporary;
  std::ofstream(temporary.file("hash_key")) << "000102030405060708090a0b0c0d0e0f";
  const std::string directory = std::filesystem::path(temporary.file("hash_key")).parent_path();
  EXPECT_EQ(keep_hash_key(directory).key, *parse_hash_key("000102030405060708090a0b0c0d0e0f"));
}

TEST(KeptHashKey, LeavesAFileAloneThatHoldsNone) {
  const TemporaryDirectory temporary;
  for (const std::string& text : {std::string("secret\n"), std::string(), std::string(32, 'g') + "\n"}) {
    std::ofstream(temporary.file("hash_key"), std::ios::trunc) << text;
    const std::string directory = std::filesystem::path(temporary.file("hash_key")).parent_path();
    const KeptHashKey kept = keep_hash_key(directory);
    EXPECT_NE(kept.problem.find("holds no key"), std::string::npos) << kept.problem;
    EXPECT_NE(kept.key, SipKey{});
    EXPECT_EQ(content_of(kept.file), text);
  }
}

TEST(KeptHashKey, IsDrawnForThisRunWhereNothingCanBeWritten) {
  const KeptHashKey kept = keep_hash_key("/proc/sluice");
  EXPECT_NE(kept.problem, "");
  EXPECT_NE(kept.key, SipKey{});
  EXPECT_NE(keep_hash_key("/proc/sluice").key, kept.key);
}

}  // namespace
}  // namespace sluice::ctrl
