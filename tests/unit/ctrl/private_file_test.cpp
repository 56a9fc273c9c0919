#include "ctrl/net/private_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

namespace fs = std::filesystem;

class PrivateFileTest : public testing::Test {
 protected:
  std::string made(const std::string& name, const std::string& text, unsigned mode) {
    const auto path = directory_.file(name);
    std::ofstream(path) << text;
    fs::permissions(path, static_cast<fs::perms>(mode));
    return path;
  }
  static bool is_open(const std::string& path) {
    const auto file = read_private_file(path);
    EXPECT_TRUE(file);
    return file && file->is_open_to_others;
  }
  TemporaryDirectory directory_;
};

TEST_F(PrivateFileTest, IsReadWhole) {
  const auto file = read_private_file(made("key", "one\ntwo\n", 0600));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->text.reveal(), "one\ntwo\n");
  EXPECT_FALSE(file->is_open_to_others);
  EXPECT_FALSE(read_private_file(made("long", std::string(70'000, 'x'), 0600)));
  const auto missing = read_private_file("/nonexistent");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "/nonexistent: no such file or directory");
}

TEST_F(PrivateFileTest, SaysWhetherOthersMayReadIt) {
  for (const unsigned mode : {0600u, 0400u, 0700u}) EXPECT_FALSE(is_open(made("private", "x", mode))) << mode;
  for (const unsigned mode : {0644u, 0604u, 0640u, 0660u, 0601u}) {
    EXPECT_TRUE(is_open(made("open", "x", mode))) << mode;
  }
}

TEST_F(PrivateFileTest, ACredentialIsWhereSystemdPutsIt) {
  const auto path = made("token", "secret", 0440);  // as it is with an ACL for the service's user
  EXPECT_TRUE(is_open(path));
  ::setenv("CREDENTIALS_DIRECTORY", fs::path(path).parent_path().c_str(), 1);
  const auto file = read_private_file("credential:token");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->text.reveal(), "secret");
  EXPECT_FALSE(file->is_open_to_others);
  EXPECT_FALSE(is_open(path));
  ::unsetenv("CREDENTIALS_DIRECTORY");
  const auto without = read_private_file("credential:token");
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().message.find("$CREDENTIALS_DIRECTORY"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ctrl
