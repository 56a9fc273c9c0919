// Which lines of which component are written. Any thread.
#pragma once

#include <array>
#include <string_view>

#include "ctrl/intent/log_model.h"
#include "ctrl/log/log_component.h"
#include "dataplane/base/log_level.h"

namespace sluice::ctrl {

/// The levels that a person may ask for, from all to nothing. Nothing is logged as `trace` or `critical`:
/// these are as `debug` and `off`.
inline constexpr std::array<std::string_view, 7> kLogLevelNames = {"trace", "debug",    "info", "warning",
                                                                   "error", "critical", "off"};

/// What the configuration says; levels set at run time are forgotten.
void set_log_levels(const LogModel& log);
/// `level`: one of kLogLevelNames. Until the next set_log_levels().
void set_log_level(LogComponent component, std::string_view level);
std::string_view log_level_of(LogComponent component);
bool log_takes(LogComponent component, dataplane::LogLevel level);

}  // namespace sluice::ctrl
