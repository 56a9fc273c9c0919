#include "ctrl/log/log_line.h"

#include <spdlog/spdlog.h>

namespace sluice::ctrl {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kDebug:
      return spdlog::level::debug;
  }
  return spdlog::level::err;
}

}  // namespace

void log_line(LogLevel level, std::initializer_list<LogPart> parts, SourceLocation) {
  spdlog::logger& logger = *spdlog::default_logger_raw();
  if (!logger.should_log(level_of(level))) return;
  std::string line;
  for (const LogPart& part : parts) line += part.text();
  logger.log(level_of(level), spdlog::string_view_t(line));
}

}  // namespace sluice::ctrl
