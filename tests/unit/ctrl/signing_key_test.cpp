#include "ctrl/intent/signing_key.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

// The example of golang.org/x/mod/sumdb/note.
constexpr const char* kKey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

class SigningKeyTest : public testing::Test {
 protected:
  std::string reference(const std::string& text) {
    const auto path = directory_.file("key");
    std::filesystem::remove(path);
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
    return "file:" + path;
  }
  TemporaryDirectory directory_;
};

TEST_F(SigningKeyTest, ReadsTheKeyOfTheLog) {
  const auto signer = read_signing_key(reference(std::string(kKey) + "\n"), "PeterNeumann");
  ASSERT_TRUE(signer) << signer.error().message;
  EXPECT_EQ(signer->verifier().line(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
}

TEST_F(SigningKeyTest, SaysWhatIsWrongAndKeepsTheSecret) {
  const auto message = [](const Result<crypto::NoteSigner>& signer) {
    EXPECT_FALSE(signer);
    return signer ? "" : signer.error().message;
  };
  const std::string missing = "file:" + directory_.file("missing");
  EXPECT_NE(message(read_signing_key(missing, "x")).find("no such file"), std::string::npos);
  EXPECT_NE(message(read_signing_key("file:" + directory_.file(""), "x")).find("directory"),
            std::string::npos);
  for (const std::string& wrong :
       {std::string(), std::string("secret"), std::string(kKey) + "\n" + kKey, std::string(5000, 'x')}) {
    const auto why = message(read_signing_key(reference(wrong), "PeterNeumann"));
    EXPECT_NE(why.find("ledger.signing_key"), std::string::npos);
    EXPECT_EQ(why.find("AYEKFALV"), std::string::npos);
  }
  const auto open_to_all = reference(kKey);
  for (const auto right : {std::filesystem::perms::group_read, std::filesystem::perms::others_read}) {
    std::filesystem::permissions(directory_.file("key"), std::filesystem::perms::owner_read | right);
    EXPECT_NE(message(read_signing_key(open_to_all, "PeterNeumann")).find("chmod 600"), std::string::npos);
  }
  const auto other = message(read_signing_key(reference(kKey), "log.example"));
  EXPECT_NE(other.find("is named PeterNeumann, but ledger.origin is log.example"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ctrl
