#include "ctrl/access/audit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const Peer kEve{.role = Role::kAdmin,
                .subject = "eve\n\x1b[2J\x7f\xc2\x9b\xff",
                .issuer = "https://id.example",
                .address = "192.0.2.1:5"};

std::string audit_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return std::move(text).str();
}

/// What the file holds once it has so many lines; a thread of its own writes it.
std::string await_lines(const std::string& path, long lines) {
  for (int i = 0; i < 2000; ++i) {
    std::string text = audit_text(path);
    if (std::ranges::count(text, '\n') >= lines) return text;
    std::this_thread::sleep_for(10ms);
  }
  return "";
}

TEST(AuditLine, HasWhoWhatAndWhatBecameOfIt) {
  const Peer peer{.uid = 1000, .pid = 7, .subject = "ann"};
  AuditEntry entry{
      .peer = peer, .method = "backend.set", .object = "web [::1]:80", .before = "x", .after = "y"};
  entry.generation_before = 3;
  entry.generation_after = 4;
  json line = json::parse(audit_line(entry));
  EXPECT_TRUE(line["time"].get<std::string>().ends_with("Z"));
  line.erase("time");
  EXPECT_EQ(line, json::parse(R"({"who": {"subject": "ann", "issuer": "unix", "peer": "uid 1000, pid 7"},
    "method": "backend.set", "object": "web [::1]:80", "before": "x", "after": "y",
    "generation": {"before": 3, "after": 4}, "result": "ok"})"));
}

TEST(AuditLine, IsOneLineOfAsciiWhateverIsInIt) {
  const std::string line = audit_line({.peer = kEve, .method = "config.apply", .object = "a\r\nb"});
  EXPECT_TRUE(std::ranges::all_of(line, [](char byte) { return byte >= ' ' && byte < 0x7f; })) << line;
  const json object = json::parse(line);
  EXPECT_EQ(object["who"]["subject"], "eve\n\x1b[2J\x7f\xc2\x9b\xef\xbf\xbd");
  EXPECT_EQ(object["object"], "a\r\nb");
  EXPECT_EQ(object["before"], nullptr);
  EXPECT_EQ(object["generation"]["after"], nullptr);
}

TEST(Audit, AddsToItsFileAndMakesItAnewWhereItWasMoved) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("audit.jsonl");
  std::ofstream(path) << "before\n";
  auto audit = Audit::open({path});
  ASSERT_TRUE(audit);
  (*audit)->record({.peer = kEve, .method = "one"}, "");
  EXPECT_TRUE(await_lines(path, 2).starts_with("before\n{"));
  std::filesystem::rename(path, path + ".1");
  (*audit)->record({.peer = kEve, .method = "two"}, "");
  EXPECT_EQ(json::parse(await_lines(path, 1))["method"], "two");
  std::filesystem::rename(path, path + ".2");
  (*audit)->reopen();
  for (int i = 0; i < 2000 && !std::filesystem::exists(path); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ((*audit)->lost(), 0u);
}

TEST(Audit, AFileThatCannotBeOpenedIsAnError) {
  const auto audit = Audit::open({"/nonexistent/audit.jsonl"});
  ASSERT_FALSE(audit);
  EXPECT_EQ(audit.error().message,
            "audit.file: cannot open /nonexistent/audit.jsonl: no such file or directory");
}

TEST(Audit, AFullDiskHoldsNobodyAndIsCounted) {
  auto audit = Audit::open({"/dev/full"});
  ASSERT_TRUE(audit);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) (*audit)->record({.peer = kEve, .method = "one"}, "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
  for (int i = 0; i < 2000 && (*audit)->lost() < 20; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ((*audit)->lost(), 20u);
}

TEST(Audit, WithoutAFileTheLogAloneHasIt) {
  auto audit = Audit::open({});
  ASSERT_TRUE(audit);
  (*audit)->record({.peer = kEve, .method = "one"}, "words");
  EXPECT_EQ((*audit)->lost(), 0u);
}

}  // namespace
}  // namespace sluice::ctrl
