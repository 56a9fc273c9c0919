// The messages of EAL and of drivers, line by line: kept for the Error of what is being tried, and passed
// on to BootConfig::log. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/device/boot_config.h"

namespace sluice::dataplane {

/// Makes EAL write here, warnings and errors only (`--log-level` among EAL's arguments says more). `sink`
/// null: stderr. Lines are held back until release_eal_log().
void open_eal_log(void (*sink)(LogLevel level, std::string_view line));
/// Passes on what was held back, and from now on every line at once. After a failure, whose Error tells what
/// there is to tell, the lines are for debugging only.
void release_eal_log(bool failed);
void close_eal_log();

/// Passes a line of ours to the same place.
void log_line(LogLevel level, std::string_view line);
/// The first error that EAL or a driver reported since the last call: the later ones are its consequences.
/// Empty: none.
std::string take_eal_error();

}  // namespace sluice::dataplane
