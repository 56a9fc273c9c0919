#include "ctrl/log/log.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <regex>

namespace sluice::ctrl {
namespace {

std::string logged(const LogModel& log, bool to_journal, const std::string& message) {
  testing::internal::CaptureStderr();
  open_log(log, to_journal);
  spdlog::warn("{}", message);
  spdlog::debug("too fine");
  flush_log();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, TextHasTimeAndLevel) {
  EXPECT_TRUE(std::regex_match(logged({"info", "text"}, false, "message"),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning: message\n)")));
}

TEST(Log, JsonIsOneObjectALine) {
  const auto line = logged({"info", "json"}, false, "with \"quotes\"\nand a line end\xff");
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["level"], "warning");
  EXPECT_EQ(object["message"], "with \"quotes\"\nand a line end\xef\xbf\xbd");
  EXPECT_TRUE(object.contains("time"));
}

TEST(Log, JournaldGetsThePriority) {
  EXPECT_EQ(logged({"info", "text"}, true, "message"), "<4>message\n");
  EXPECT_TRUE(logged({"info", "json"}, true, "message").starts_with("<4>{"));
}

TEST(Log, TextIsOneLineThatNoTerminalObeys) {
  const auto line = logged({"info", "text"}, false, "by a\nb\x1b[31m\x7f \xc3\xa9");
  EXPECT_TRUE(line.ends_with("warning: by a\\x0ab\\x1b[31m\\x7f \xc3\xa9\n")) << line;
}

TEST(Log, LevelsAreKept) {
  EXPECT_EQ(logged({"error", "text"}, false, "message"), "");
}

TEST(Log, WhatStandsForStderrForAWhileGetsNoLine) {
  testing::internal::CaptureStderr();
  open_log({"info", "text"}, false);
  const int stderr_then = ::dup(STDERR_FILENO), other = ::memfd_create("other", MFD_CLOEXEC);
  ::dup2(other, STDERR_FILENO);
  spdlog::warn("meanwhile");
  flush_log();
  ::dup2(stderr_then, STDERR_FILENO);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("meanwhile"), std::string::npos);
  EXPECT_EQ(::lseek(other, 0, SEEK_END), 0);
  ::close(stderr_then);
  ::close(other);
}

TEST(Log, AFieldIsForPrograms) {
  const auto line = [](const char* format) {
    testing::internal::CaptureStderr();
    open_log({"info", format}, false);
    log_with_field("it stopped", "totals", {{"received", 5}});
    spdlog::info("next");
    flush_log();
    return testing::internal::GetCapturedStderr();
  };
  const std::string text = line("text");
  EXPECT_NE(text.find("info: it stopped: totals={\"received\":5}\n"), std::string::npos);
  const std::string lines = line("json");
  const auto first = nlohmann::json::parse(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(first["message"], "it stopped");
  EXPECT_EQ(first["totals"]["received"], 5);
  EXPECT_FALSE(nlohmann::json::parse(lines.substr(lines.find('\n') + 1)).contains("totals"));
}

}  // namespace
}  // namespace sluice::ctrl
