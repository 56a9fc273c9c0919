// One line on its way to the logger, its level already looked at. Any thread that is no worker.
#pragma once

#include <string_view>

#include "dataplane/base/log_level.h"

namespace sluice::ctrl {

/// `file`: where it comes from, which log_component_of() knows; lives for ever. `line_number` 0: that is no
/// file.
void log_from(const char* file, unsigned line_number, dataplane::LogLevel level, std::string_view line);

}  // namespace sluice::ctrl
