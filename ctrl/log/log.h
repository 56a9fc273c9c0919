// Where the daemon's log lines go: stderr, as text or JSON, or journald, with fields of its own.
// Set up by the control thread; lines may come from any thread that is no worker. They are queued for a
// thread that writes them: whoever logs never waits for stderr.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "ctrl/intent/model.h"
#include "ctrl/log/log_line.h"

namespace sluice::ctrl {

enum class LogTarget : uint8_t {
  kStderr,
  kPrefixed,  ///< stderr, each line after its `<priority>` as sd-daemon(3) has it; the time is the reader's
  kJournal,   ///< journald's own socket: PRIORITY, SLUICE_COMPONENT, CODE_FILE and CODE_LINE beside MESSAGE
};

/// kJournal where stderr is journald's (systemd.exec(5), $JOURNAL_STREAM), kPrefixed where its socket is not
/// there.
LogTarget log_target();
/// Makes spdlog's default logger what the configuration asks for.
void open_log(const LogModel& log, LogTarget target);
/// Says of lines that came again and again how often, once their time is over; `all`: at once. From the
/// control thread, once a second or so.
void settle_log(bool all = false);
/// Lines that were left out as repeats.
uint64_t log_lines_left_out();
/// Waits until what was logged is written, a second at most. The end of the process does so by itself, unless
/// it ends by _Exit().
void flush_log();
/// Lines that stderr did not take in time.
uint64_t log_lines_lost();
/// A line without time and level, after those that wait: what ends the process is for people at a terminal.
void print_to_log(const std::string& line);

/// One line that programs read too: `message: name=<JSON>`, or a member `name` beside the message where lines
/// are JSON, a field SLUICE_NAME in the journal. The JSON is ASCII. It is no repeat of another line.
void log_with_field(dataplane::LogLevel level, std::string_view message, std::string_view name,
                    const nlohmann::json& value, SourceLocation where = SourceLocation::current());
inline void log_with_field(std::string_view message, std::string_view name, const nlohmann::json& value,
                           SourceLocation where = SourceLocation::current()) {
  log_with_field(dataplane::LogLevel::kInfo, message, name, value, where);
}

/// For dataplane::BootConfig::log.
void log_data_plane(dataplane::LogLevel level, std::string_view line);

}  // namespace sluice::ctrl
