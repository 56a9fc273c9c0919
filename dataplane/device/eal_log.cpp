#include "dataplane/device/eal_log.h"

#include <rte_log.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sluice::dataplane {
namespace {

constexpr size_t kMaxLine = 1024;
constexpr size_t kMaxHeld = 256;  ///< lines

struct EalLog {
  std::mutex mutex;  // EAL's own threads write as well
  void (*sink)(LogLevel, std::string_view) = nullptr;
  FILE* stream = nullptr;
  std::string line;
  std::string first_error;
  bool holds = false;
  std::vector<std::pair<LogLevel, std::string>> held;
};

EalLog& eal_log() {
  static EalLog log;
  return log;
}

LogLevel level_of(int eal_level) {
  if (eal_level <= 0 || eal_level > static_cast<int>(RTE_LOG_DEBUG)) return LogLevel::kWarning;
  if (eal_level <= static_cast<int>(RTE_LOG_WARNING)) return LogLevel::kWarning;
  return eal_level <= static_cast<int>(RTE_LOG_INFO) ? LogLevel::kInfo : LogLevel::kDebug;
}

void print(LogLevel level, std::string_view line) {
  if (level > LogLevel::kWarning) return;
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void pass_on(EalLog& log, LogLevel level, std::string_view line) {
  if (!log.holds) return (log.sink != nullptr ? log.sink : print)(level, line);
  if (log.held.size() < kMaxHeld) log.held.emplace_back(level, line);
}

// What EAL calls an error is a warning here, for whatever it makes impossible is reported as an Error; and
// the tap driver complains of much that nobody needs (flow rules, secondary processes).
void finish_line(EalLog& log, int eal_level) {
  if (eal_level <= static_cast<int>(RTE_LOG_ERR) && log.first_error.empty()) log.first_error = log.line;
  const bool from_tap = rte_log_cur_msg_logtype() == rte_log_register("pmd.net.tap");
  pass_on(log, from_tap ? LogLevel::kDebug : level_of(eal_level), log.line);
  log.line.clear();
}

ssize_t take_bytes(void*, const char* bytes, size_t size) {
  EalLog& log = eal_log();
  const std::lock_guard lock(log.mutex);
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] == '\n') {
      if (!log.line.empty()) finish_line(log, rte_log_cur_msg_loglevel());
    } else if (log.line.size() < kMaxLine) {
      log.line += bytes[i];
    }
  }
  return static_cast<ssize_t>(size);
}

}  // namespace

void open_eal_log(void (*sink)(LogLevel level, std::string_view line)) {
  EalLog& log = eal_log();
  log.sink = sink;
  log.holds = true;
  if (log.stream == nullptr) {
    log.stream =
        fopencookie(nullptr, "w", {.read = nullptr, .write = take_bytes, .seek = nullptr, .close = nullptr});
    if (log.stream == nullptr) return;
    std::setvbuf(log.stream, nullptr, _IOLBF, kMaxLine);
  }
  rte_openlog_stream(log.stream);
  rte_log_set_global_level(RTE_LOG_WARNING);
}

void release_eal_log(bool failed) {
  EalLog& log = eal_log();
  const std::lock_guard lock(log.mutex);
  log.holds = false;
  for (const auto& [level, line] : log.held) pass_on(log, failed ? LogLevel::kDebug : level, line);
  log.held.clear();
}

void close_eal_log() {
  rte_openlog_stream(nullptr);
  EalLog& log = eal_log();
  if (log.stream != nullptr) std::fclose(log.stream);
  log.stream = nullptr;
  log.sink = nullptr;
}

void log_line(LogLevel level, std::string_view line) {
  EalLog& log = eal_log();
  const std::lock_guard lock(log.mutex);
  pass_on(log, level, line);
}

std::string take_eal_error() {
  EalLog& log = eal_log();
  const std::lock_guard lock(log.mutex);
  return std::exchange(log.first_error, {});
}

}  // namespace sluice::dataplane
