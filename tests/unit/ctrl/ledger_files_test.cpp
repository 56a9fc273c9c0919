// sluicectl's work on a ledger's files: keys here, verification and export on logs in tests/e2e.
#include "sluicectl/ledger_files.h"
#include "crypto/signed_note.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ctrl/resolve/compile_ledger.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::sluicectl {
namespace {

class LedgerFiles : public testing::Test {
 protected:
  std::string text() const {
    std::ifstream in(key_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  ctrl::TemporaryDirectory directory_;
  const std::string key_ = directory_.file("key");
};

TEST_F(LedgerFiles, AKeyIsItsOwnersAloneAndSignsWhatItsVerifierOpens) {
  const auto verifier = make_key("log.example/one", key_);
  ASSERT_TRUE(verifier) << verifier.error().message;
  struct stat status {};
  ASSERT_EQ(::stat(key_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_TRUE(text().starts_with("PRIVATE+KEY+log.example/one+"));
  EXPECT_TRUE(text().ends_with("\n"));

  ctrl::LedgerModel model;
  model.origin = "log.example/one";
  model.signing_key = "file:" + key_;
  model.source_rate = ctrl::SourceRateModel{5, 6};
  const auto config = ctrl::ledger_config(model);
  ASSERT_TRUE(config) << config.error().message;
  const auto note = config->signer->sign("hello\n");
  const std::array known = {*crypto::NoteVerifier::parse(*verifier)};
  EXPECT_TRUE(crypto::open_note(*note, known));
  EXPECT_EQ(config->seal_delay_ns, 2'000'000u);
  EXPECT_EQ(config->checkpoint_interval_ns, 100'000'000u);
  EXPECT_EQ(config->source_rate->burst, 6u);
}

TEST_F(LedgerFiles, AnExistingFileIsLeftAlone) {
  std::ofstream(key_) << "precious";
  const auto refused = make_key("log.example", key_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("File exists"), std::string::npos);
  EXPECT_EQ(text(), "precious");
}

TEST_F(LedgerFiles, ABadNameMakesNoFile) {
  EXPECT_FALSE(make_key("two words", key_));
  EXPECT_FALSE(std::filesystem::exists(key_));
}

TEST_F(LedgerFiles, WhatIsNoLogFails) {
  EXPECT_FALSE(export_directory(directory_.file("nowhere"), directory_.file("target")));
  const auto verified = verify_directory(directory_.file("nowhere"), "", "openssl");
  ASSERT_TRUE(verified);
  EXPECT_FALSE(*verified);
  EXPECT_FALSE(verify_directory(directory_.file("nowhere"), "", "abacus"));
}

}  // namespace
}  // namespace sluice::sluicectl
