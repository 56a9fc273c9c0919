// Where the daemon's log lines go: stderr, as text or JSON, with journald's priorities where it listens.
// Set up by the control thread; lines may come from any thread that is no worker. They are queued for a
// thread that writes them: whoever logs never waits for stderr.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "ctrl/intent/model.h"
#include "dataplane/base/log_level.h"

namespace sluice::ctrl {

/// Makes spdlog's default logger what the configuration asks for. `to_journal`: begin each line with
/// `<priority>` as sd-daemon(3) has it, and leave the time to journald.
void open_log(const LogModel& log, bool to_journal);
/// Waits until what was logged is written, a second at most. The end of the process does so by itself, unless
/// it ends by _Exit().
void flush_log();
/// Lines that stderr did not take in time.
uint64_t log_lines_lost();
/// A line without time and level, after those that wait: what ends the process is for people at a terminal.
void print_to_log(const std::string& line);
/// Whether stderr is journald's (systemd.exec(5), $JOURNAL_STREAM).
bool stderr_is_journal();

/// One line that programs read too: `message: name=<JSON>`, or a member `name` beside the message where lines
/// are JSON. The JSON is ASCII.
void log_with_field(dataplane::LogLevel level, std::string_view message, std::string_view name,
                    const nlohmann::json& value);
inline void log_with_field(std::string_view message, std::string_view name, const nlohmann::json& value) {
  log_with_field(dataplane::LogLevel::kInfo, message, name, value);
}

/// For dataplane::BootConfig::log.
void log_data_plane(dataplane::LogLevel level, std::string_view line);

}  // namespace sluice::ctrl
