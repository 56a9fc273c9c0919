// A journal's folder, and a file system that fails where a test says so.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/journal.h"
#include "ledger/verify.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {

namespace fs = std::filesystem;

/// The real file system with a fault where `fault` says so: it sees the call's name and gives -errno, or 0.
class FaultyFileSystem final : public FileSystem {
 public:
  std::function<int(std::string_view call)> fault = [](std::string_view) { return 0; };
  std::vector<std::string> calls;

  int open(const std::string& path, int flags) override {
    const int error = before("open");
    return error != 0 ? error : real_.open(path, flags);
  }
  void close(int file) override { real_.close(file); }
  int write(int file, std::span<const uint8_t> data, uint64_t offset) override {
    if (const int error = before("write"); error != 0) {
      real_.write(file, data.first(data.size() / 2), offset);  // torn
      return error;
    }
    return real_.write(file, data, offset);
  }
  int64_t read(int file, std::span<uint8_t> data, uint64_t offset) override {
    return real_.read(file, data, offset);
  }
  int allocate(int file, uint64_t offset, uint64_t size) override {
    const int error = before("allocate");
    return error != 0 ? error : real_.allocate(file, offset, size);
  }
  int truncate(int file, uint64_t size) override { return real_.truncate(file, size); }
  int64_t size(int file) override { return real_.size(file); }
  int sync_data(int file) override {
    const int error = before("sync_data");
    return error != 0 ? error : real_.sync_data(file);
  }
  int sync(int file) override {
    const int error = before("sync");
    return error != 0 ? error : real_.sync(file);
  }
  int rename(const std::string& from, const std::string& to) override {
    const int error = before("rename");
    return error != 0 ? error : real_.rename(from, to);
  }
  int make_directory(const std::string& path) override { return real_.make_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return real_.list(path); }

 private:
  int before(std::string_view call) {
    calls.emplace_back(call);
    return fault(call);
  }
  PosixFileSystem real_;
};

class JournalTest : public ::testing::Test {
 protected:
  void expect_verified(uint64_t size) {
    auto engine = openssl_engine();
    const auto report = verify_log(folder_.path, "", engine);
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_EQ(report->tree_size, size);
  }

  Folder folder_;
  FaultyFileSystem files_;
  crypto::NoteSigner signer_ = make_signer();
};

}  // namespace sluice::ledger::test
