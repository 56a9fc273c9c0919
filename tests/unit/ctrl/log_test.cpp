#include "ctrl/log/log.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <regex>

#include "ctrl/log/log_component.h"
#include "ctrl/log/log_from.h"
#include "ctrl/log/log_levels.h"

namespace sluice::ctrl {
namespace {

class Log : public testing::Test {
 protected:
  ~Log() override { open_log({}, LogTarget::kStderr); }  // lines of other tests are text, and go to stderr
};

std::string logged(const LogModel& log, LogTarget target, const std::string& message) {
  testing::internal::CaptureStderr();
  open_log(log, target);
  log_warning({message});
  log_debug({"too fine"});
  flush_log();
  return testing::internal::GetCapturedStderr();
}

TEST_F(Log, TextHasTimeAndLevel) {
  EXPECT_TRUE(std::regex_match(logged({"info", "text"}, LogTarget::kStderr, "message"),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning: message\n)")));
}

TEST_F(Log, JsonIsOneObjectALine) {
  const auto line = logged({"info", "json"}, LogTarget::kStderr, "with \"quotes\"\nand a line end\xff");
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["level"], "warning");
  EXPECT_EQ(object["message"], "with \"quotes\"\nand a line end\xef\xbf\xbd");
  EXPECT_EQ(object["component"], "daemon");
  EXPECT_TRUE(object.contains("time"));
}

TEST_F(Log, JournaldGetsThePriority) {
  EXPECT_EQ(logged({"info", "text"}, LogTarget::kPrefixed, "message"), "<4>message\n");
  EXPECT_TRUE(logged({"info", "json"}, LogTarget::kPrefixed, "message").starts_with("<4>{"));
}

TEST_F(Log, TextIsOneLineThatNoTerminalObeys) {
  const auto line = logged({"info", "text"}, LogTarget::kStderr, "by a\nb\x1b[31m\x7f \xc3\xa9");
  EXPECT_TRUE(line.ends_with("warning: by a\\x0ab\\x1b[31m\\x7f \xc3\xa9\n")) << line;
}

TEST_F(Log, LevelsAreKept) {
  EXPECT_EQ(logged({"error", "text"}, LogTarget::kStderr, "message"), "");
}

/// What three components log at two levels; `change` is done once the log is open.
std::string of_components(
    const LogModel& log, const std::function<void()>& change = [] {}) {
  testing::internal::CaptureStderr();
  open_log(log, LogTarget::kStderr);
  change();
  const auto source = log_source_for(LogComponent::kSource), rpc = log_source_for(LogComponent::kControl);
  for (const auto level : {LogLevel::kInfo, LogLevel::kDebug}) {
    const std::string word = level == LogLevel::kInfo ? "info" : "debug";
    if (log_takes(log_component_of(source), level)) log_from(source, 0, level, "source " + word);
    if (log_takes(log_component_of(rpc), level)) log_from(rpc, 0, level, "control " + word);
    log_data_plane(level, "dataplane " + word);
  }
  flush_log();
  std::string words;
  const std::string text = testing::internal::GetCapturedStderr();
  const std::regex line(": (\\w+ \\w+)\n");
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    words += (*at)[1].str() + ", ";
  }
  return words;
}

TEST_F(Log, AComponentMayHaveALevelOfItsOwn) {
  EXPECT_EQ(of_components({"info", "text", {{"source", "debug"}, {"dataplane", "error"}}}),
            "source info, control info, source debug, ");
}

TEST_F(Log, LevelsChangeAtRunTimeUntilTheConfigurationDoes) {
  const std::string words =
      of_components({"warning", "text"}, [] { set_log_level(LogComponent::kControl, "debug"); });
  EXPECT_EQ(words, "control info, control debug, ");
  EXPECT_EQ(log_level_of(LogComponent::kControl), "debug");
  EXPECT_EQ(of_components({"warning", "text", {{"source", "info"}}}), "source info, ");
  EXPECT_EQ(log_level_of(LogComponent::kControl), "warning");
  EXPECT_EQ(of_components({"off", "text"}), "");
}

TEST_F(Log, ALineIsOfTheComponentInWhoseFolderItIsWritten) {
  EXPECT_EQ(log_component_of("../ctrl/source/etcd_source.cpp"), LogComponent::kSource);
  EXPECT_EQ(log_component_of("/home/ctrl/src/ctrl/rpc/json_rpc.cpp"), LogComponent::kControl);
  EXPECT_EQ(log_component_of("../ctrl/observed/transition_log.cpp"), LogComponent::kBackend);
  EXPECT_EQ(log_component_of("../ctrl/observed/source_log.cpp"), LogComponent::kSource);
  EXPECT_EQ(log_component_of("elsewhere.cpp"), LogComponent::kDaemon);
  for (size_t i = 0; i < kLogComponents.size(); ++i) {
    const auto component = static_cast<LogComponent>(i);
    EXPECT_EQ(log_component_of(log_source_for(component)), component);
    EXPECT_EQ(log_component_named(kLogComponents[i]), component);
  }
  EXPECT_FALSE(log_component_named("nonsense"));
}

TEST_F(Log, TheSameLineAgainAndAgainIsCounted) {
  testing::internal::CaptureStderr();
  open_log({"info", "text"}, LogTarget::kStderr);
  const uint64_t before = log_lines_left_out();
  for (int i = 0; i < 100; ++i) log_warning({"the same"});
  for (int i = 0; i < 100; ++i) log_with_field("the same field", "number", i);
  flush_log();
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log_lines_left_out() - before, 95u);
  EXPECT_NE(text.find("warning: 95 more lines like this one were left out: the same\n"), std::string::npos);
  EXPECT_EQ(std::ranges::count(text, '\n'), 5 + 1 + 100);
}

TEST_F(Log, WhatStandsForStderrForAWhileGetsNoLine) {
  testing::internal::CaptureStderr();
  open_log({"info", "text"}, LogTarget::kStderr);
  const int stderr_then = ::dup(STDERR_FILENO), other = ::memfd_create("other", MFD_CLOEXEC);
  ::dup2(other, STDERR_FILENO);
  log_warning({"meanwhile"});
  flush_log();
  ::dup2(stderr_then, STDERR_FILENO);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("meanwhile"), std::string::npos);
  EXPECT_EQ(::lseek(other, 0, SEEK_END), 0);
  ::close(stderr_then);
  ::close(other);
}

TEST_F(Log, AFieldIsForPrograms) {
  const auto line = [](const char* format) {
    testing::internal::CaptureStderr();
    open_log({"info", format}, LogTarget::kStderr);
    log_with_field("it stopped", "totals", {{"received", 5}});
    log_info({"next"});
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
