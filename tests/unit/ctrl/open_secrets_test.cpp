#include "ctrl/net/open_secrets.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "ctrl/net/tls_server.h"
#include "ctrl/net/tls_session.h"
#include "ctrl/source/secret_file.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

namespace fs = std::filesystem;

class OpenSecrets : public testing::Test {
 protected:
  OpenSecrets() {
    tell_of_open_secrets([this](const std::string& warning) { told_.push_back(warning); });
  }
  ~OpenSecrets() override { tell_of_open_secrets(nullptr); }

  std::string made(const std::string& name, const std::string& text, unsigned mode) {
    const auto path = directory_.file(name);
    std::ofstream(path) << text;
    set_mode(path, mode);
    return path;
  }
  static void set_mode(const std::string& path, unsigned mode) {
    fs::permissions(path, static_cast<fs::perms>(mode));
  }

  /// A key of its own, which others may read, and a certificate for it.
  TlsFiles pair() {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    const TlsFiles files{{}, directory_.file("own.pem"), directory_.file("own.key")};
    const auto write = [](const std::string& path, const auto& put) {
      const std::unique_ptr<FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "w"), std::fclose);
      EXPECT_EQ(put(file.get()), 1);
    };
    write(files.certificate, [&](FILE* file) { return PEM_write_X509(file, certificate.get()); });
    write(files.key, [&](FILE* file) {
      return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    set_mode(files.key, 0644);
    return files;
  }

  TemporaryDirectory directory_;
  std::vector<std::string> told_;
};

TEST_F(OpenSecrets, AreToldOfOnceAndAgainAfterTheyWereClosed) {
  const auto token = made("token", "secret\n", 0644);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read_secret(token).reveal(), "secret");
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0], token + " is open to others than its owner: chmod 600 " + token);
  set_mode(token, 0600);
  (void)read_secret(token);
  EXPECT_EQ(told_.size(), 1u);
  set_mode(token, 0604);
  (void)read_secret(token);
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(OpenSecrets, APodsOwnTokenIsNone) {
  (void)read_secret(made("token", "secret\n", 0644), true);
  EXPECT_TRUE(told_.empty());
}

TEST_F(OpenSecrets, KeysThatAClientOrAServerShowsAreAmongThem) {
  const TlsFiles files = pair();
  TlsContexts contexts;
  EXPECT_TRUE(contexts.with(files));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].starts_with(files.key + " is open to others")) << told_[0];
  set_mode(files.key, 0600);
  EXPECT_TRUE(TlsServer::open({.files = {files.certificate, files.key, {}}, .protocol = "h2"}));
  EXPECT_EQ(told_.size(), 1u);
  set_mode(files.key, 0640);
  EXPECT_TRUE(TlsServer::open({.files = {files.certificate, files.key, {}}, .protocol = "h2"}));
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(OpenSecrets, AKeyThatHasToBePrivateIsRefused) {
  const TlsFiles files = pair();
  const auto opened = TlsServer::open(
      {.files = {files.certificate, files.key, {}}, .protocol = "h2", .must_key_be_private = true});
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("open to others"), std::string::npos);
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace sluice::ctrl
