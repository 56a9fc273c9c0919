// Writes lines to the daemon's log, put together from texts and numbers. Any thread that is no worker.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

#include "dataplane/base/log_level.h"

namespace sluice::ctrl {

using dataplane::LogLevel;

/// A text, or a number in decimal, as short as it can be told. Borrows the text.
class LogPart {
 public:
  LogPart(std::string_view text) : text_(text) {}
  LogPart(const std::string& text) : text_(text) {}
  LogPart(const char* text) : text_(text) {}
  template <typename Number>
  requires(std::is_arithmetic_v<Number> && !std::same_as<Number, bool> && !std::same_as<Number, char>)
      LogPart(Number number) {
    const auto [end, error] = std::to_chars(digits_.data(), digits_.data() + digits_.size(), number);
    text_ = {digits_.data(), end};
  }
  LogPart(const LogPart&) = delete;
  LogPart& operator=(const LogPart&) = delete;

  std::string_view text() const { return text_; }

 private:
  std::array<char, 32> digits_;
  std::string_view text_;
};

using SourceLocation = std::source_location;

/// Nothing, where less is asked for of the component that `where` belongs to (log_component.h): by the
/// configuration, or at run time.
void log_line(LogLevel level, std::initializer_list<LogPart> parts,
              SourceLocation where = SourceLocation::current());
/// Whether log_line() would write: for texts that cost something to make.
bool log_takes(LogLevel level, SourceLocation where = SourceLocation::current());

inline void log_error(std::initializer_list<LogPart> parts,
                      SourceLocation where = SourceLocation::current()) {
  log_line(LogLevel::kError, parts, where);
}
inline void log_warning(std::initializer_list<LogPart> parts,
                        SourceLocation where = SourceLocation::current()) {
  log_line(LogLevel::kWarning, parts, where);
}
inline void log_info(std::initializer_list<LogPart> parts, SourceLocation where = SourceLocation::current()) {
  log_line(LogLevel::kInfo, parts, where);
}
inline void log_debug(std::initializer_list<LogPart> parts,
                      SourceLocation where = SourceLocation::current()) {
  log_line(LogLevel::kDebug, parts, where);
}

}  // namespace sluice::ctrl
