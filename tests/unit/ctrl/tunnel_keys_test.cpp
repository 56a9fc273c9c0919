#include "ctrl/tunnel/tunnel_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

TEST(EspKey, IsReadFromItsOwnersFileAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("key");
  std::ofstream(path) << "000102030405060708090a0b0c0d0e0fA1A2A3A4\n";
  ::chmod(path.c_str(), 0640);
  auto key = read_esp_key(EspAlgorithm::kAes128Gcm, "file:" + path);
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().message.find("chmod 600"), std::string::npos);
  ::chmod(path.c_str(), 0600);
  key = read_esp_key(EspAlgorithm::kAes128Gcm, "file:" + path);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->bytes().size(), 16u);
  EXPECT_EQ(key->bytes()[15], 15);
  EXPECT_EQ(key->salt().host(), 0xa1a2a3a4u);
  key = read_esp_key(EspAlgorithm::kAes256Gcm, "file:" + path);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().message.find("0001"), std::string::npos) << "no error says what a key is";
  EXPECT_FALSE(read_esp_key(EspAlgorithm::kAes128Gcm, "file:" + directory.file("none")));
  ::chmod(path.c_str(), 0440);
  ::setenv("CREDENTIALS_DIRECTORY", std::filesystem::path(path).parent_path().c_str(), 1);
  EXPECT_TRUE(read_esp_key(EspAlgorithm::kAes128Gcm, "credential:key")) << "as systemd hands it over";
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

}  // namespace
}  // namespace sluice::ctrl
