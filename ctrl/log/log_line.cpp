#include "ctrl/log/log_line.h"

#include <spdlog/spdlog.h>

#include "ctrl/log/log_component.h"
#include "ctrl/log/log_from.h"
#include "ctrl/log/log_levels.h"

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

bool log_takes(LogLevel level, SourceLocation where) {
  return log_takes(log_component_of(where.file_name()), level);
}

void log_line(LogLevel level, std::initializer_list<LogPart> parts, SourceLocation where) {
  if (!log_takes(level, where)) return;
  std::string line;
  for (const LogPart& part : parts) line += part.text();
  log_from(where.file_name(), where.line(), level, line);
}

void log_from(const char* file, unsigned line_number, LogLevel level, std::string_view line) {
  const spdlog::source_loc source{file, static_cast<int>(line_number), ""};
  spdlog::default_logger_raw()->log(source, level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace sluice::ctrl
